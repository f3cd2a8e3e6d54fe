/* SPDX-License-Identifier: MIT */
/* Signs of life of workers: mail to each and back. */
#include "component/component.h"

/* At home again, on worker 0. */
static void back(struct mio *mio, struct mio_mail *mail)
{
	struct worker *worker = container_of(mail, struct worker, life_mail);

	worker->life_took_ms = mio_host_now_ms(mio_host_of(mio)) - worker->life_asked_ms;
	worker->life_asked = false;
	worker->life_known = true;
}

static void turn_round(struct mio *mio, struct mio_mail *mail)
{
	const struct worker *worker = container_of(mail, struct worker, life_mail);

	mail->run = back;
	mio_post(mio, worker->process->workers[0]->mio, MIO_CONTROL, mail);
}

void process_ask_workers(struct process *process)
{
	for (unsigned at = 0; at < process->worker_count; at++) {
		struct worker *worker = process->workers[at];

		if (worker->life_asked)
			continue;
		worker->life_asked = true;
		worker->life_asked_ms = mio_host_now_ms(process->host);
		worker->life_mail.run = turn_round;
		mio_post(process->workers[0]->mio, worker->mio, MIO_CONTROL, &worker->life_mail);
	}
}

int64_t worker_lag_ms(const struct worker *worker)
{
	int64_t waits_ms = worker->life_asked
				   ? mio_host_now_ms(worker->process->host) - worker->life_asked_ms
				   : -1;

	if (!worker->life_known)
		return waits_ms;
	return waits_ms > worker->life_took_ms ? waits_ms : worker->life_took_ms;
}
