"""What a network's picture shows: maps as columns, and the joins between them."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Column", "Join", "Walk"]


@dataclass
class Column:
    """Maps that share one column; `parents` are the columns that they are made from."""

    size: int
    parents: tuple[int, ...]


@dataclass
class Join:
    """Where sizes meet: the columns that do, and whether they agree."""

    columns: tuple[int, ...]
    sizes: tuple[int, ...]
    agrees: bool


@dataclass
class Walk:
    """The columns and joins of one input size; `refused` says why it ends, if no join is why."""

    columns: list[Column] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    refused: str | None = None
    _made: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def failing(self) -> Join | None:
        """The join whose sizes do not agree."""
        return next((join for join in self.joins if not join.agrees), None)

    def column(self, size: int, parents: tuple[int, ...]) -> int:
        """Return the column of a map made from others: what keeps its size shares theirs.

        Parallel branches that come from one column to the same size share one, too.
        """
        if not parents:
            self.columns.append(Column(size, parents))
            return len(self.columns) - 1
        if self.columns[parents[0]].size == size:
            return parents[0]
        if (parents[0], size) not in self._made:
            self._made[parents[0], size] = len(self.columns)
            self.columns.append(Column(size, parents))
        return self._made[parents[0], size]

    def join(self, columns: tuple[int, ...], sizes: tuple[int, ...], agrees: bool) -> None:
        """Write down that maps meet."""
        self.joins.append(Join(columns, sizes, agrees))
