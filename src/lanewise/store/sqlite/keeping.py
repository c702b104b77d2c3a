"""What is kept, for how long, and copied where."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lanewise.domain.ids import RunId
from lanewise.errors import BadInput
from lanewise.store.disk import explained, make_private
from lanewise.store.sqlite.connection import DATABASE
from lanewise.store.sqlite.queries import queries
from lanewise.store.sqlite.runs import is_abandoned
from lanewise.store.sqlite.webhooks import Awaiting

_OLD = 3_600.0  # seconds before a file that no row names counts as left behind


class KeepingOperations(Awaiting):
    """Bodies and answers go by whole files; books and events stay."""

    def delete_bodies(self, run: RunId) -> int:
        """Remove bodies and answers of a finished run; returns the bytes freed. Books stay."""
        with self._db.transaction():
            if self._db.one(self._runs["run"], (run,))["state"] != "finished":
                raise BadInput("the run is not finished; cancel it first")
            if out := self._db.one(self._books["live_of_run"], (run,))[0]:
                raise BadInput(
                    f"{out} of the run's batches are still out (another answer was first): what they "
                    "cost is not known yet. `lanewise worker --once` looks after them; then try again"
                )
            self._db.execute(self._runs["segments_deleted"], (run,))
            self._db.execute(queries("claims")["forget_claims"], (run,))
            self._unawait(run)
            rows = self._db.all(self._books["unneeded_batches"], (run,))
        freed = _remove_tree(self.home / "segments" / run)
        return freed + sum(_remove_tree(self.home / "batches" / row[0]) for row in rows)

    def sweep_files(self, now: float) -> int:
        """Remove files that no row names (crashed drafts, half downloads); returns the bytes freed."""
        with self._db.transaction():
            # A draft that commits lets go of its mark: the runs are read after the marks, never before.
            left = [path for path in (self.home / "segments").iterdir() if is_abandoned(path)]
            runs = {row[0] for row in self._db.all(self._books["run_ids"])}
            batches = {row["id"]: row for row in self._db.all(self._books["batch_files"])}
        freed = sum(_remove_tree(path) for path in left if path.name not in runs)
        for directory in (self.home / "batches").iterdir():
            row = batches.get(directory.name)
            keep = set() if row is None else {f"{row['fence']}.res"}
            settled = row is not None and row["state"] == "settled"
            for file in directory.iterdir():
                stale = file.suffix in (".part", ".new", ".res") and file.name not in keep
                stale = stale and (settled or now - file.stat().st_mtime > _OLD)
                # until a batch is settled, its answers are nowhere else
                if stale or (settled and file.suffix == ".answers"):
                    freed += file.stat().st_size
                    file.unlink(missing_ok=True)
        return freed + self._sweep_uploads(now)

    def _sweep_uploads(self, now: float) -> int:
        """Remove what was handed in and never became a file or a batch."""
        folder = self.home / "uploads"
        if not folder.is_dir():
            return 0
        named = {row[0] for row in self._db.all(queries("orders")["upload_ids"])}
        freed = 0
        for path in folder.iterdir():
            if path.name not in named and now - path.stat().st_mtime > _OLD:
                freed += path.stat().st_size
                path.unlink(missing_ok=True)
        return freed

    def check_integrity(self) -> str:
        """What is wrong with the rows; empty where nothing is."""
        result: str = self._db.one("PRAGMA quick_check(1)")[0]
        return "" if result == "ok" else result

    def backup(self, target: Path) -> None:
        """A consistent copy of the home while workers go on.

        Files are complete before a row names them, so the rows are copied first and what they name
        after. The copy is the same home: work from only one of the two.
        """
        if target.exists():
            raise BadInput(f"{target} exists; name a directory that does not")
        with explained("writing the backup", target):
            make_private(target)
            self._db.backup(target / DATABASE)
            for name in ("segments", "batches", "uploads"):
                if (self.home / name).is_dir():
                    _copy_tree(self.home / name, target / name)
            make_private(target / "workers")
            for extra in ("lanewise.toml", "policy.toml", "prices.toml", "prices.table.json"):
                if (self.home / extra).is_file():
                    shutil.copy2(self.home / extra, target / extra)


def _remove_tree(directory: Path) -> int:
    """Delete a directory of files; returns their bytes."""
    if not directory.is_dir():
        return 0
    freed = sum(file.stat().st_size for file in directory.iterdir() if file.is_file())
    shutil.rmtree(directory)
    return freed


def _copy_tree(source: Path, target: Path) -> None:
    """Copy two levels of files; hard links where the disk allows, for files that never change again."""
    make_private(target)
    for directory in source.iterdir():
        make_private(target / directory.name)
        for file in directory.iterdir():
            copy = target / directory.name / file.name
            if file.suffix in (".jsonl", ".idx", ".ids", ".res"):
                _link_or_copy(file, copy)
            elif file.suffix in (".calls", ".answers"):
                shutil.copy2(file, copy)  # still appended to: a link would grow with it


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
