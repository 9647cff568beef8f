# What `cmake --install` puts where: the library, its public headers as <yoke/...>, a pkg-config
# file, and the tool; its pages and completions are named in mapreduce/ngram. Headers that say "Not installed" are the inside of their folder.
install(TARGETS yoke ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS ngram RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES yoke.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke)
install(FILES
    executor/arena.h executor/clock.h executor/context.h executor/error.h executor/executor.h executor/future.h
    executor/init.h executor/job.h executor/map.h executor/shared.h executor/stats.h executor/stream.h
    executor/trace.h executor/wait.h
    executor/worker_options.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke/executor)
install(FILES
    loop/call.h
    loop/debug.h
    loop/dns.h
    loop/file.h
    loop/generator.h
    loop/loop.h
    loop/net.h
    loop/offload.h
    loop/poll.h
    loop/queue.h
    loop/scope.h
    loop/signal.h
    loop/stream.h
    loop/subprocess.h
    loop/sync.h
    loop/task.h
    loop/terminal.h
    loop/timeout.h
    loop/tls.h
    loop/transport.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke/loop)
install(FILES
    loop/http/files.h
    loop/http/http.h
    loop/http/log.h
    loop/http/websocket.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke/loop/http)
install(FILES
    loop/serve/serve.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke/loop/serve)
install(FILES
    data/generate.h
    data/input.h
    data/rows.h
    data/series.h
    data/store.h
    data/totals.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke/data)
install(FILES mapreduce/mapreduce.h mapreduce/fold.h mapreduce/reduce.h mapreduce/sink.h mapreduce/split.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/yoke/mapreduce)

set(YOKE_PC_REQUIRES "libuv openssl libzstd zlib lmdb")
if(ISAL_FOUND)
    string(APPEND YOKE_PC_REQUIRES " libisal")
endif()
file(RELATIVE_PATH YOKE_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # wherever it is put
configure_file(cmake/yoke.pc.in yoke.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/yoke.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
