"""The ten most frequent n-grams as a Python programmer would first do it, as a contender: partitions of
60,000 lines go to a pool of processes under asyncio, whose dictionaries are merged one by one."""
import asyncio
import functools
import itertools
import sys
from concurrent.futures import ProcessPoolExecutor

PARTITION = 60_000


def count(lines):
    counts = {}
    for line in lines:
        ngram, _, matches, _ = line.split("\t")
        counts[ngram] = counts.get(ngram, 0) + int(matches)
    return counts


def merge(total, counts):
    for ngram, matches in counts.items():
        total[ngram] = total.get(ngram, 0) + matches
    return total


async def main(path, workers):
    loop = asyncio.get_running_loop()
    with open(path, encoding="utf-8") as file, ProcessPoolExecutor(workers) as pool:
        partitions = iter(lambda: list(itertools.islice(file, PARTITION)), [])
        jobs = [loop.run_in_executor(pool, count, lines) for lines in partitions]
        total = functools.reduce(merge, await asyncio.gather(*jobs), {})
    for ngram in sorted(total, key=total.get, reverse=True)[:10]:
        print(ngram, total[ngram], sep="\t")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
