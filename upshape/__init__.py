"""Upsample feature maps on the CPU at the speed of the machine, and solve their sizes exactly."""
