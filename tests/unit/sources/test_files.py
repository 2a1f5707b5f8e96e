"""Files on disk: loading, and watching however an editor saves. Each wait ends at the event, or fails after long."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from lateen.sources.documents import Update
from lateen.sources.files import load, watch

LONG_S = 10


def service(name: str, port: object = 80) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  ports:\n  - port: {port}\n"


def ports(update: Update) -> dict[str, int]:
    return {d.ref.name: d.raw["spec"]["ports"][0]["port"] for d in update.changed}


def test_directories_are_read_with_all_below_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.yaml").write_text("a: [")
    (tmp_path / ".hidden.yaml").write_text("a: [")
    (tmp_path / "notes.txt").write_text("a: [")
    (tmp_path / "b.yml").write_text(service("b"))
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}')
    (tmp_path / "deep" / "er" / "c.yaml").write_text(service("c") + "---\n" + service("d"))
    loaded = load([tmp_path])
    assert [d.ref.name for d in loaded.documents] == ["shop", "b", "c", "d"]
    assert (loaded.rejected, loaded.notices) == ((), ())
    assert loaded.documents[3].origin.line == 8


def test_paths_are_read_in_the_order_given(tmp_path: Path) -> None:
    first, second = tmp_path / "z.yaml", tmp_path / "named.config"
    first.write_text(service("x", 1))
    second.write_text(service("x", 2))
    assert ports(Update(changed=load([first, second]).documents)) == {"x": 2}
    assert ports(Update(changed=load([second, first]).documents)) == {"x": 1}


def test_what_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    (tmp_path / "empty").mkdir()
    loaded = load([tmp_path / "nowhere.yaml", tmp_path / "latin.yaml", tmp_path / "empty"])
    assert [str(problem) for problem in loaded.rejected] == [
        f"{tmp_path}/nowhere.yaml: no such file or directory",
        f"{tmp_path}/latin.yaml: is not UTF-8 text (byte 3)",
    ]
    assert [str(notice) for notice in loaded.notices] == [
        f"{tmp_path}/empty: no *.yaml, *.yml, *.json file in this directory"
    ]


@asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[asyncio.Queue[Update]]:
    """Updates from now on, with the watcher known to be at work."""
    files = load(paths).files
    queue: asyncio.Queue[Update] = asyncio.Queue()
    started = asyncio.Event()

    async def collect() -> None:
        async with aclosing(watch(files)) as updates:
            started.set()
            async for update in updates:
                queue.put_nowait(update)

    task = asyncio.create_task(collect())
    await started.wait()
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def following(queue: asyncio.Queue[Update]) -> Update:
    return await asyncio.wait_for(queue.get(), LONG_S)


async def test_edits_new_files_and_deletions_arrive_fast(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    async with watching(tmp_path) as updates:
        (tmp_path / "a.yaml").write_text(service("a", 81))
        assert ports(await following(updates)) == {"a": 81}
        start = time.monotonic()
        (tmp_path / "b.yaml").write_text(service("b"))
        assert ports(await following(updates)) == {"b": 80}
        assert time.monotonic() - start < 2, "an edit is expected to take 0.2 s"
        (tmp_path / "b.yaml").unlink()
        assert [gone.name for gone in (await following(updates)).deleted] == ["b"]


async def test_a_directory_that_comes_later(tmp_path: Path) -> None:
    async with watching(tmp_path) as updates:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "a.yaml").write_text(service("a"))
        assert ports(await following(updates)) == {"a": 80}
        (tmp_path / "new" / "a.yaml").write_text(service("a", 81))
        assert ports(await following(updates)) == {"a": 81}


async def test_a_single_file_is_followed_through_renames_into_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    async with watching(path) as updates:
        for port in (81, 82):
            (tmp_path / "a.yaml.tmp").write_text(service("a", port))
            (tmp_path / "a.yaml.tmp").replace(path)
            assert ports(await following(updates)) == {"a": port}
        (tmp_path / "other.yaml").write_text(service("other"))
        path.write_text(service("a", 83))
        assert ports(await following(updates)) == {"a": 83}


async def test_a_file_moved_away_and_written_again_is_one_edit(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    async with watching(tmp_path) as updates:
        path.rename(tmp_path / "a.yaml~")
        path.write_text(service("a", 81))
        update = await following(updates)
        assert (ports(update), update.deleted) == ({"a": 81}, ())


async def test_a_file_emptied_before_it_is_written_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    async with watching(tmp_path) as updates:
        with path.open("w") as file:
            file.flush()
            file.write(service("a", 81))
        update = await following(updates)
        assert (ports(update), update.deleted) == ({"a": 81}, ())


async def test_a_half_written_file_keeps_what_was_there_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    async with watching(tmp_path) as updates:
        path.write_text(service("a", 81) + "---\napiVersion: [v1\n")
        broken = await following(updates)
        assert (broken.changed, broken.deleted, len(broken.rejected)) == ((), (), 1)
        path.write_text(service("a", 81) + "---\n" + service("b"))
        assert ports(await following(updates)) == {"a": 81, "b": 80}


async def test_one_save_of_many_files_is_one_batch(tmp_path: Path) -> None:
    async with watching(tmp_path) as updates:
        for n in range(20):
            (tmp_path / f"{n}.yaml").write_text(service(f"s{n}"))
        assert len((await following(updates)).changed) == 20
