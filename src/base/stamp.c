/* SPDX-License-Identifier: MIT */
/* XEP-0082 date and time text, by the calendar alone. */
#include "base/stamp.h"

#include <stdio.h>

enum { DAY_MS = 86400000 };

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back: eras of 400 years. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t era, year_of_era;
	unsigned day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3U : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
	int64_t era, day_of_era, year_of_era;
	unsigned day_of_year, shifted;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = days - era * 146097;
	year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year =
		(unsigned)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
	shifted = (5 * day_of_year + 2) / 153;
	*day = day_of_year - (153 * shifted + 2) / 5 + 1;
	*month = shifted < 10 ? shifted + 3 : shifted - 9;
	*year = year_of_era + era * 400 + (*month <= 2);
}

const char *stamp_print(char out[STAMP_LEN], int64_t wall_ms, bool milliseconds)
{
	int64_t days = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0), year;
	unsigned rest = (unsigned)(wall_ms - days * DAY_MS), month, day;
	int len;

	date_of(days, &year, &month, &day);
	len = snprintf(out, STAMP_LEN, "%04d-%02u-%02uT%02u:%02u:%02u", (int)year, month, day,
		       rest / 3600000, rest / 60000 % 60, rest / 1000 % 60);
	if (milliseconds)
		snprintf(out + len, (size_t)(STAMP_LEN - len), ".%03uZ", rest % 1000);
	else
		snprintf(out + len, (size_t)(STAMP_LEN - len), "Z");
	return out;
}

/* Exactly count digits; -1 when they are none. */
static int digits(struct slice *text, unsigned count)
{
	int value = 0;

	if (text->len < count)
		return -1;
	for (unsigned at = 0; at < count; at++) {
		unsigned digit = (unsigned char)text->data[at] - '0';

		if (digit > 9)
			return -1;
		value = value * 10 + (int)digit;
	}
	text->data += count;
	text->len -= count;
	return value;
}

static bool sign(struct slice *text, char c)
{
	if (!text->len || *text->data != c)
		return false;
	text->data++;
	text->len--;
	return true;
}

static bool fraction(struct slice *text, int64_t *ms)
{
	unsigned scale = 100;
	int digit = -1;

	*ms = 0;
	if (!sign(text, '.'))
		return true;
	while (text->len && *text->data >= '0' && *text->data <= '9') {
		digit = digits(text, 1);
		*ms += (int64_t)digit * scale;
		scale /= 10;
	}
	return digit >= 0;
}

static bool zone(struct slice *text, int64_t *offset_ms)
{
	int hours, minutes;
	bool minus;

	*offset_ms = 0;
	if (sign(text, 'Z'))
		return true;
	minus = sign(text, '-');
	if (!minus && !sign(text, '+'))
		return false;
	hours = digits(text, 2);
	if (hours < 0 || hours > 23 || !sign(text, ':'))
		return false;
	minutes = digits(text, 2);
	if (minutes < 0 || minutes > 59)
		return false;
	*offset_ms = (hours * 60 + minutes) * (minus ? -60000LL : 60000LL);
	return true;
}

static unsigned month_days(int year, int month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

bool stamp_parse(struct slice text, int64_t *wall_ms)
{
	int year = digits(&text, 4), month = sign(&text, '-') ? digits(&text, 2) : -1;
	int day = sign(&text, '-') ? digits(&text, 2) : -1,
	    hour = sign(&text, 'T') ? digits(&text, 2) : -1;
	int minute = sign(&text, ':') ? digits(&text, 2) : -1,
	    second = sign(&text, ':') ? digits(&text, 2) : -1;
	int64_t ms, offset;

	if (year < 0 || month < 1 || month > 12 || day < 1 ||
	    (unsigned)day > month_days(year, month))
		return false;
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	if (!fraction(&text, &ms) || !zone(&text, &offset) || text.len)
		return false;
	*wall_ms = days_of(year, (unsigned)month, (unsigned)day) * DAY_MS +
		   ((hour * 60 + minute) * 60 + second) * 1000LL + ms - offset;
	return true;
}
