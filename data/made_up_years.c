/* data/made_up_years.c - the years and counts of one n-gram, in the dataset's proportions.
 *
 * An n-gram has a size (matches over all years), drawn from a power law, and a trend that makes it
 * old or new. What is expected of a year is the size times that year's share of all that was
 * printed; what is counted scatters around it. The numbers were chosen so that years an n-gram,
 * matches a year, volumes a year, and how well each column compresses, come out as in true rows
 * of version 2 (English 1-grams). Logarithms are to base 2 in units of 1/256.
 */
#include "data/made_up.h"

#include <pthread.h>

#define UNIT 256

/* Words printed in English books by year: log2, from the dataset's total counts. */
static const struct {
    int year, log2;
} printed[] = {
    { 1505, 16 * UNIT },       { 1600, 20 * UNIT + 60 },  { 1650, 21 * UNIT + 200 },
    { 1700, 24 * UNIT + 50 },  { 1750, 25 * UNIT + 10 },  { 1800, 27 * UNIT + 230 },
    { 1850, 31 * UNIT + 35 },  { 1900, 32 * UNIT + 215 }, { 1920, 33 * UNIT + 64 },
    { 1950, 33 * UNIT + 2 },   { 1980, 34 * UNIT + 13 },  { 2000, 34 * UNIT + 136 },
    { 2008, 34 * UNIT + 190 },
};
#define PRINTED_EVER (39 * UNIT) /* about the log2 of the sum over all years */

/* How an n-gram's use rises in a century: (trend - TRENDS) * TREND_STEP. */
#define TRENDS     28
#define TREND_STEP 25

/* A year with an expectation below this (1/128) has no row. */
#define TOO_FEW (-7 * UNIT)

static int16_t share[2 * TRENDS + 1][YK__YEARS]; /* log2 of a year's part, by trend */
static uint32_t power_of_2[UNIT];                /* 2^(i/256) in 1/65536 */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* 2^(log2/256) in 1/65536, for log2 from -16 * UNIT to 40 * UNIT. */
static inline uint64_t power(int log2)
{
    int whole = log2 >> 8; /* rounds down */
    uint64_t p = power_of_2[log2 & 0xff];
    return whole >= 0 ? p << whole : p >> -whole;
}

static int log2_of(uint64_t n)
{
    int whole = 63 - __builtin_clzll(n);
    return whole * UNIT + (int)(n << (63 - whole) << 1 >> 56);
}

static int printed_in(int year)
{
    int k = 0;
    while (year > printed[k + 1].year)
        k++;
    int span = printed[k + 1].year - printed[k].year;
    int rise = printed[k + 1].log2 - printed[k].log2;
    return printed[k].log2 + rise * (year - printed[k].year) / span;
}

/* The years' shares under a trend: all of them together are 1. */
static void make_share(int16_t *shares, int trend)
{
    uint64_t sum = 0;
    for (int i = 0; i < YK__YEARS; i++) {
        int year = YK__FIRST_YEAR + i;
        int log2 = printed_in(year) - PRINTED_EVER + trend * TREND_STEP * (year - 1950) / 100;
        shares[i] = (int16_t)log2;
        log2 += 16 * UNIT;
        sum += log2 > 0 ? power(log2) : 0;
    }
    int excess = log2_of(sum) - 32 * UNIT;
    for (int i = 0; i < YK__YEARS; i++)
        shares[i] = (int16_t)(shares[i] - excess);
}

static void make_tables(void)
{
    uint64_t factor = (uint64_t)1 << 32;
    for (int i = 0; i < UNIT; i++) {
        power_of_2[i] = (uint32_t)(factor >> 16);
        factor = (uint64_t)((unsigned __int128)factor * 4306612134u >> 32); /* times 2^(1/256) */
    }
    for (int t = -TRENDS; t <= TRENDS; t++)
        make_share(share[t + TRENDS], t);
}

/* A product of a chance that there is nothing (`keep` sixteenths are left) and an exponential
 * distribution: rare words come in bursts. */
static inline uint64_t burst(uint64_t expected, unsigned keep, uint64_t r, yk__chance *chance)
{
    if ((r & 15) >= keep)
        return 0;
    uint64_t scatter = yk__exponential(chance) * (45426 * 16 / keep) >> 16; /* ln 2 / keep */
    return ((expected * scatter >> 16) + (r >> 48)) >> 16;
}

/* What is counted where 2^(log2/256) is expected. */
static inline uint64_t counted(int log2, yk__chance *chance)
{
    uint64_t r = yk__random(chance);
    if (log2 <= 0)
        return (r & 15) < 4 ? burst(power(log2), 4, r, chance) : 0;
    if (log2 < 4 * UNIT)
        return burst(power(log2), 8, r, chance);
    uint64_t around = 32768 + ((r & 0xffff) + (r >> 16 & 0xffff)) / 2; /* 0.5 to 1.5 */
    return power(log2 - 8 * UNIT) * around >> 24;
}

/* Most rows of few matches have as many volumes, those of many have many to a volume. */
static inline uint64_t volumes(uint64_t matches, yk__chance *chance)
{
    if (matches == 1)
        return 1;
    uint64_t r = yk__random(chance);
    if (matches < 16 && (r & 0xff) < 90)
        return matches;
    uint64_t bits = 64 - (uint64_t)__builtin_clzll(matches);
    uint64_t divisor = 256 + (r >> 8 & 0xff) * bits / 4 + bits * bits / 2;
    uint64_t v = matches < (uint64_t)1 << 24 ? (uint32_t)matches * 256u / (uint32_t)divisor
                                             : matches / divisor * 256;
    return v ? v : 1;
}

/* A word of 2^(size/256) matches in all. */
static unsigned spread(yk__year years[YK__YEARS], int size, yk__chance *chance)
{
    const int16_t *shares = share[yk__below(chance, TRENDS + 1) + yk__below(chance, TRENDS + 1)];
    unsigned count = 0;
    for (int i = 0; i < YK__YEARS; i++) {
        int log2 = size + shares[i];
        if (log2 < TOO_FEW)
            continue;
        uint64_t matches = counted(log2, chance);
        if (matches == 0)
            continue;
        years[count++] = (yk__year){ YK__FIRST_YEAR + i, matches, volumes(matches, chance) };
    }
    if (count == 0)
        years[count++] = (yk__year){ 1950 + (int)yk__below(chance, 50), 40, 1 };
    return count;
}

unsigned yk__made_up_years(yk__year years[YK__YEARS], yk__chance *chance)
{
    pthread_once(&once, make_tables);
    /* At least 40 matches, as the dataset has it; the power law's exponent is 0.67. */
    uint64_t tail = yk__exponential(chance) * (UNIT * 150 / 100) >> 16;
    return spread(years, 5 * UNIT + 100 + (int)(tail < 30 * UNIT ? tail : 30 * UNIT), chance);
}

unsigned yk__made_up_common_years(yk__year years[YK__YEARS], unsigned rank, yk__chance *chance)
{
    pthread_once(&once, make_tables);
    return spread(years, 36 * UNIT - log2_of(rank), chance);
}
