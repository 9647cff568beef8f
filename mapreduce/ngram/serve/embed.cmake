# cmake -DOUT=assets_made.c -DPAGE=folder -DLIBRARY=folder -P embed.cmake
#
# Writes the table serve_assets (assets.h) from the files of the page, and of the chart library if
# it is there: then the page asks for it.

set(arrays "")
set(table "")
set(count 0)

function(embed path type file)
    if(file MATCHES "index.html$")
        file(READ ${file} text)
        string(REPLACE "<!-- chart library -->\n" "${library_tags}" text "${text}")
        set(file ${OUT}.html)
        file(WRITE ${file} "${text}")
    endif()
    file(READ ${file} bytes HEX)
    file(SHA256 ${file} hash)
    string(SUBSTRING ${hash} 0 20 hash)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    set(arrays "${arrays}static const unsigned char file_${count}[] = {\n${bytes}\n};\n" PARENT_SCOPE)
    set(table "${table}    { \"${path}\", \"${type}\", file_${count}, sizeof file_${count}, \"\\\"${hash}\\\"\" },\n" PARENT_SCOPE)
    math(EXPR next "${count} + 1")
    set(count ${next} PARENT_SCOPE)
endfunction()

set(script "text/javascript; charset=utf-8")
set(library_tags "")
set(uplot ${LIBRARY}/node_modules/uplot/dist)
if(EXISTS ${uplot}/uPlot.iife.min.js AND EXISTS ${uplot}/uPlot.min.css)
    set(library_tags "<link rel=\"stylesheet\" href=\"/uplot.css\">\n<script src=\"/uplot.js\" defer></script>\n")
    embed(/uplot.js "${script}" ${uplot}/uPlot.iife.min.js)
    embed(/uplot.css "text/css; charset=utf-8" ${uplot}/uPlot.min.css)
endif()
embed(/ "text/html; charset=utf-8" ${PAGE}/index.html)
embed(/style.css "text/css; charset=utf-8" ${PAGE}/style.css)
embed(/favicon.svg "image/svg+xml" ${PAGE}/favicon.svg)
embed(/api/openapi.json "application/json" ${PAGE}/openapi.json)
embed(status.html "text/html; charset=utf-8" ${PAGE}/status.html)
file(GLOB scripts ${PAGE}/*.js)
foreach(file IN LISTS scripts)
    get_filename_component(name ${file} NAME)
    embed(/${name} "${script}" ${file})
endforeach()

file(WRITE ${OUT} "/* Made by embed.cmake. */\n#include \"mapreduce/ngram/serve/assets.h\"\n\n"
    "${arrays}\nconst serve_asset serve_assets[] = {\n${table}    { 0 },\n};\n")
