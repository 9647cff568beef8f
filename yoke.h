/* yoke/yoke.h - everything.
 *
 * yoke runs jobs on threads and on forked worker processes under one event loop, and awaits
 * them as futures. Where to read on:
 *
 *   executor/job.h        what a job is          loop/task.h    coroutines that await
 *   executor/executor.h   who runs it            loop/loop.h    the loop, and yk_main
 *   executor/future.h     what comes of it
 *   executor/wait.h       waiting for it         loop/sync.h    locks, semaphores, ...; queue.h
 *   executor/shared.h     what jobs share        loop/offload.h what would hold it up
 *                                                loop/stream.h  sockets, pipes, files; net.h, tls.h
 *                                                loop/serve/serve.h  servers of many processes
 *
 *   data/rows.h           the Ngram dataset      mapreduce/mapreduce.h
 *   data/store.h          a store made of it                    one question over a lot of data
 */
#ifndef YOKE_YOKE_H
#define YOKE_YOKE_H

#include "data/generate.h"
#include "data/input.h"
#include "data/rows.h"
#include "data/series.h"
#include "data/store.h"
#include "data/totals.h"
#include "executor/arena.h"
#include "executor/clock.h"
#include "executor/context.h"
#include "executor/error.h"
#include "executor/executor.h"
#include "executor/future.h"
#include "executor/init.h"
#include "executor/job.h"
#include "executor/map.h"
#include "executor/shared.h"
#include "executor/stats.h"
#include "executor/stream.h"
#include "executor/trace.h"
#include "executor/wait.h"
#include "loop/call.h"
#include "loop/debug.h"
#include "loop/dns.h"
#include "loop/file.h"
#include "loop/generator.h"
#include "loop/http/files.h"
#include "loop/http/http.h"
#include "loop/http/log.h"
#include "loop/http/websocket.h"
#include "loop/loop.h"
#include "loop/net.h"
#include "loop/offload.h"
#include "loop/poll.h"
#include "loop/queue.h"
#include "loop/scope.h"
#include "loop/serve/serve.h"
#include "loop/signal.h"
#include "loop/stream.h"
#include "loop/subprocess.h"
#include "loop/sync.h"
#include "loop/task.h"
#include "loop/terminal.h"
#include "loop/timeout.h"
#include "loop/tls.h"
#include "loop/transport.h"
#include "mapreduce/mapreduce.h"

#endif
