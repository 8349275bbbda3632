"""What a kernel asks of the baseline module: how many threads are worth having, and their memory.

    form_team(&team, shares)                       # with the GIL
    with nogil:
        team_begins(&team)
        for t in prange(shares, num_threads=team.threads, ...):
            share_begins(&team, t)
            ...
            share_ends(&team, t)
        team_ends(&team)
    dismiss_team(&team)                              # with the GIL

The work is cut into shares of about equal size beforehand; how many threads run them is of no
consequence for the result. The clock is read for the first share and around the loop only.
"""

cimport cython
from libc.stdint cimport int64_t


cdef extern from "clock.h" nogil:
    int64_t upshape_now()


# Times are in nanoseconds.
cdef struct Team:
    int shares
    int threads
    bint probe
    int64_t began, share_began, share_ended, ended


cdef void form_team(Team* team, int shares) noexcept
cdef void dismiss_team(Team* team) noexcept


cdef inline void team_begins(Team* team) noexcept nogil:
    team.share_began = 0
    team.share_ended = 0
    team.began = upshape_now()


cdef inline void share_begins(Team* team, int share) noexcept nogil:
    """Note when the calling thread starts to work: a static schedule gives it the first share."""
    if share == 0:
        team.share_began = upshape_now()


cdef inline void share_ends(Team* team, int share) noexcept nogil:
    if share == 0:
        team.share_ended = upshape_now()


cdef inline void team_ends(Team* team) noexcept nogil:
    team.ended = upshape_now()


# Memory for one call's threads: `bytes` from `aligned` on, the start of a page.
@cython.final
cdef class Scratch:
    cdef void* start
    cdef char* aligned
    cdef size_t bytes


cdef Scratch take_scratch(size_t bytes)
cdef void give_scratch(Scratch scratch) noexcept
