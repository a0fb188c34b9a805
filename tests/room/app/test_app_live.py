"""Live events: a browser that may have missed some is sent away, to come again and ask for everything."""

import asyncio

import psycopg

from wetread.app.web import Live
from wetread.kit.db import Database
from wetread.kit.events import CHANNEL


def test_events_of_a_time_without_database_end_the_streams_that_missed_them(database: Database) -> None:
    async def story() -> list[bytes | None]:
        live = Live(database.url)
        task = asyncio.create_task(live.listen())
        with live.listening() as queue:
            async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as other:
                heard = []
                while not heard:  # until it listens
                    await other.execute(f"NOTIFY {CHANNEL}, 'one'".encode())
                    await asyncio.sleep(0.05)
                    heard = [queue.get_nowait()] if queue.qsize() else []
                while queue.qsize():
                    queue.get_nowait()
                await other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND"
                    " datname = current_database()"
                )
                heard.append(await asyncio.wait_for(queue.get(), 20))
        task.cancel()
        return heard

    assert asyncio.run(story()) == [b"one", None]


def test_a_browser_that_does_not_keep_up_is_sent_away_and_never_keeps_the_server_from_ending() -> None:
    live = Live("")
    with live.listening() as slow, live.listening() as quick:
        for number in range(slow.maxsize + 1):
            live.tell(b"%d" % number)
            quick.get_nowait()
        assert slow.qsize() == 1 and slow.get_nowait() is None
        for _ in range(slow.maxsize):
            slow.put_nowait(b"more")
        live.close()
        assert slow.get_nowait() is None and quick.get_nowait() is None
