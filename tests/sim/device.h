/* SPDX-License-Identifier: MIT */
/* What a device of a person says and hears: private to people. */
#pragma once

#include "people.h"

/* In a day, those of the one with three. */
enum { AWAY_DEVICE, DOZING_DEVICE, PLAIN_DEVICE };

/* Kinds of what is sent. */
enum { SENT_OTHER, SENT_MESSAGE };

static inline unsigned device_number(const struct device *device)
{
	return (unsigned)(device - device->people->device);
}

struct device *any_device(struct people *people);

/* -- words.c -- */

void say_message(struct device *device, unsigned message); /* once more in this session, too */
void say_presence(struct device *device);
/* The server handles a session's stanzas in order: when this question is answered, the presence counts. */
void say_known(struct device *device);
void say_roster(struct device *device);
void say_something(struct device *device, bool small); /* a few messages to somebody; small: something else */

/* -- hearing.c -- */

void hear(struct device *device, const struct nad *nad);
