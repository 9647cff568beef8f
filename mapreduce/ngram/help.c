/* mapreduce/ngram/help.c - what the tool says about itself. */
#include <stdio.h>

#include "options.h"

static const char all_help[] =
    "Usage: ngram count FILE... [-o OUT] [options]\n"
    "       ngram top   FILE... [-k 10]  [options]\n"
    "       ngram gen   [--bytes 64M] [-o FILE] [options]\n"
    "\n"
    "Asks questions of Google Books Ngram files, on all cores.\n"
    "\n"
    "  count   every n-gram with its match_count and volume_count summed over the years,\n"
    "          sorted by the bytes of the n-gram\n"
    "  top     the most frequent n-grams, the most frequent first\n"
    "  gen     makes a file up, in the dataset's layout\n"
    "\n"
    "'ngram COMMAND --help' shows the options of a command. --version shows the version.\n"
    "Exit status: 0 all is well, 1 the job failed, 2 wrong usage, 130 interrupted.\n";

static const char job_help[] =
    "\n"
    "FILE is a file of the dataset, version 2 or 3, plain or packed with gzip or zstd, told\n"
    "apart by content. '-' is standard input. Several files, mixed as you like, are one job.\n"
    "\n"
    "  -o, --output OUT          write to OUT, which appears when all is well\n"
    "      --years A:B           only these years; A: and :B leave one end open\n"
    "      --format F            table, tsv (ngram TAB match_count TAB volume_count, no header)\n"
    "                            or json (an array of objects, one a line; bytes that are not\n"
    "                            UTF-8 become U+FFFD); default: table on a terminal, else tsv\n"
    "      --bad-records fail    a malformed row ends the job (default)\n"
    "      --bad-records skip    it is left out, counted, and reported at the end\n"
    "      --executor E          where the work is done: processes (default), threads, hybrid\n"
    "      --workers N           how many (default: the CPUs that this process may use)\n"
    "      --progress WHEN       a progress bar on standard error: auto (on a terminal; default),\n"
    "                            always (lines where it is no terminal), never\n"
    "      --stats               throughput, rows, time and memory to standard error\n"
    "  -h, --help                this\n";

static const char gen_help[] =
    "Usage: ngram gen [options]\n"
    "\n"
    "Makes up a file in the layout of the Google Books Ngram dataset: words in Zipf's shape,\n"
    "tags such as run_VERB, several scripts. The same options make the same bytes.\n"
    "\n"
    "      --bytes SIZE          of text, before packing: 64K, 100M, 1G (default 64M)\n"
    "      --seed N              another number, another file (default 0)\n"
    "      --format v2|v3        the layout (default v2: a row for every year)\n"
    "  -o, --output FILE         write to FILE; FILE.gz and FILE.zst are packed (default:\n"
    "                            standard output)\n"
    "      --words N             words an n-gram has at most, 1 to 5 (default 5)\n"
    "      --shards N            sorted stretches one after the other (default 1)\n"
    "      --level N             of the packing: gzip 1 to 9 (default 6), zstd 1 to 19 (3)\n"
    "      --threads N           that pack zstd (default 2)\n"
    "      --progress WHEN       auto, always or never\n"
    "  -h, --help                this\n";

int ngram_print_help(ngram_command command)
{
    switch (command) {
    case NGRAM_COUNT:
        fputs(
            "Usage: ngram count FILE... [-o OUT] [options]\n\n"
            "Every n-gram in the files with its match_count and volume_count, summed over the\n"
            "years, sorted by the bytes of the n-gram. Sums are exact; past 64 bits is an error.\n",
            stdout);
        fputs(job_help, stdout);
        break;
    case NGRAM_TOP:
        fputs("Usage: ngram top FILE... [-k 10] [options]\n\n"
              "The most frequent n-grams by match_count, the most frequent first; those that are\n"
              "equally frequent by the bytes of the n-gram.\n\n"
              "  -k, --top K               so many of them (default 10)\n",
              stdout);
        fputs(job_help, stdout);
        break;
    case NGRAM_GEN:
        fputs(gen_help, stdout);
        break;
    default:
        fputs(all_help, stdout);
        break;
    }
    return fflush(stdout) ? NGRAM_FAILED : NGRAM_OK;
}
