/* Dates, without the locale: the names of days and months are HTTP's own. */
#include "date.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static const time_t first = -62167219200, last = 253402300799; /* of the years 0 and 9999 */

static void put_number(char *out, int digits, int n)
{
    for (int i = digits - 1; i >= 0; i--, n /= 10)
        out[i] = (char)('0' + n % 10);
}

void yk__http_date_format(time_t t, char out[YK__HTTP_DATE])
{
    struct tm tm;
    t = t < first ? first : t > last ? last : t;
    gmtime_r(&t, &tm);
    memcpy(out, "Day, 00 Mon 0000 00:00:00 GMT", YK__HTTP_DATE);
    memcpy(out, days[tm.tm_wday], 3);
    put_number(out + 5, 2, tm.tm_mday);
    memcpy(out + 8, months[tm.tm_mon], 3);
    put_number(out + 12, 4, tm.tm_year + 1900);
    put_number(out + 17, 2, tm.tm_hour);
    put_number(out + 20, 2, tm.tm_min);
    put_number(out + 23, 2, tm.tm_sec);
}

static int month_of(const char *name)
{
    for (int i = 0; i < 12; i++)
        if (strcmp(name, months[i]) == 0)
            return i;
    return -1;
}

static bool name_of_a_day(const char *name)
{
    for (int i = 0; i < 7; i++)
        if (strncmp(name, days[i], 3) == 0)
            return true;
    return false;
}

static int full_year(int two_digits, time_t now)
{
    struct tm tm;
    gmtime_r(&now, &tm);
    int year = (tm.tm_year + 1900) / 100 * 100 + two_digits;
    return year > tm.tm_year + 1900 + 50 ? year - 100 : year;
}

static bool in_range(const struct tm *tm)
{
    static const int of_month[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return tm->tm_mon >= 0 && tm->tm_mday >= 1 && tm->tm_mday <= of_month[tm->tm_mon] &&
           tm->tm_year >= -1900 && tm->tm_hour >= 0 && tm->tm_hour <= 23 && tm->tm_min >= 0 &&
           tm->tm_min <= 59 && tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

bool yk__http_date_parse(const char *text, time_t now, time_t *t)
{
    char day[10], month[4];
    int year, end = 0;
    struct tm tm = { 0 };
    if (sscanf(text, "%3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", day, &tm.tm_mday, month,
               &year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) == 7 &&
        end) {
    } else if (sscanf(text, "%9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", day, &tm.tm_mday,
                      month, &year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) == 7 &&
               end) {
        year = full_year(year, now);
    } else if (sscanf(text, "%3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", day, month, &tm.tm_mday,
                      &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &year, &end) != 7) {
        return false;
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month_of(month);
    if (text[end] || !name_of_a_day(day) || !in_range(&tm))
        return false;
    *t = timegm(&tm);
    return true;
}
