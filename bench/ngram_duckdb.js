// The ten most frequent n-grams by DuckDB, as a contender: ngram_duckdb.js FILE THREADS. It needs the
// package @duckdb/node-api: npm install --prefix build/bench-peers @duckdb/node-api
const { DuckDBInstance } = require('@duckdb/node-api');

const query = `
    SELECT ngram, sum(matches) AS matches, sum(volumes) AS volumes
    FROM read_csv($file, delim = '\t', header = false, quote = '', escape = '', auto_detect = false,
                  columns = {'ngram': 'VARCHAR', 'year': 'INTEGER', 'matches': 'BIGINT', 'volumes': 'BIGINT'})
    GROUP BY ngram ORDER BY matches DESC, ngram LIMIT 10`;

async function main([file, threads]) {
    const database = await DuckDBInstance.create(':memory:', { threads });
    const connection = await database.connect();
    const reader = await connection.runAndReadAll(query, { file });
    for (const row of reader.getRows())
        console.log(row.join('\t'));
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
