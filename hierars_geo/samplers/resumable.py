"""ResumableLoader: a training that stopped within an epoch goes on with the chips that were next."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler, DataLoader


class ResumableBatches(BatchSampler):
    """Batches of indices, the first of which can be skipped once without anything being read.

    Arguments as those of PyTorch's sampler: Lightning builds it anew for several processes.
    """

    skip = 0

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the batches after the skipped ones; the next iteration yields all.

        Skipping counts as done when the first batch is asked for: with workers, PyTorch makes a second
        iterator before it takes anything from the first.
        """
        skip, self.skip = self.skip, 0
        yield from islice(super().__iter__(), skip, None)


class ResumableLoader(DataLoader[dict[str, Any]]):
    """A loader that knows how many batches of its epoch it has given.

    Lightning puts :meth:`state_dict` into a checkpoint and hands it back when the training is resumed. The
    batch sampler must be :class:`ResumableBatches`.
    """

    _given = 0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  # DataLoader's own
        super().__init__(*args, **options)
        # PyTorch gives a loader of batches a sampler that walks through the data set; Lightning shares the
        # loader's sampler out among processes, so it has to be the one that the batches come from
        object.__setattr__(self, "sampler", self._batches.sampler)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a generator serves as well
        """Yield batches, counting them."""
        self._given = self._batches.skip
        for batch in super().__iter__():
            self._given += 1
            yield batch

    @property
    def _batches(self) -> ResumableBatches:
        if not isinstance(self.batch_sampler, ResumableBatches):
            raise TypeError(f"Expected batch_sampler to be ResumableBatches, but got {self.batch_sampler!r}.")
        return self.batch_sampler

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches given in this epoch, 0 at its end."""
        return {"batches": self._given % max(1, len(self))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next epoch after as many batches as :meth:`state_dict` counted."""
        self._batches.skip = state["batches"]


__all__ = ("ResumableBatches", "ResumableLoader")
