# cmake -DPAGE=folder -DTO=folder -DNPM=npm -P chart_library.cmake
#
# Has npm put what package-lock.json names into TO/node_modules. Where that cannot be had (no npm, no
# network), the page does without: TO stays empty, and the build goes on.

file(REMOVE_RECURSE ${TO})
file(MAKE_DIRECTORY ${TO})
if(NPM)
    file(COPY ${PAGE}/package.json ${PAGE}/package-lock.json DESTINATION ${TO})
    execute_process(
        COMMAND ${NPM} ci --ignore-scripts --prefer-offline --no-audit --no-fund --no-update-notifier
                --loglevel=error --fetch-retries=0 --fetch-timeout=10000
        WORKING_DIRECTORY ${TO}
        RESULT_VARIABLE failed
        OUTPUT_QUIET ERROR_QUIET
        TIMEOUT 60)
    if(failed)
        file(REMOVE_RECURSE ${TO}/node_modules)
        message("npm could not get uPlot: the page of ngram serve shows pictures that gnuplot draws")
    endif()
endif()
file(TOUCH ${TO}/made)
