// SPDX-License-Identifier: MIT
// JSON, buffers outside of V8's heap, libuv's thread pool, worker threads and a child process.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const util = require('util');
const { execFileSync } = require('child_process');
const { Readable, Transform, pipeline } = require('stream');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

let seed = 73;
const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648, seed % n);
const sha = (data) => crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);

function documents() {
    const list = [];
    for (let i = 0; i < 20000; i++)
        list.push({ id: i, name: 'n' + random(9999), tags: Array(random(5)).fill('tag'),
                    r: random(1e6) });
    let text = '';
    for (let turn = 0; turn < 4; turn++)
        text = JSON.stringify(JSON.parse(JSON.stringify(list))
            .sort((a, b) => a.r - b.r || a.id - b.id));
    console.log('json', text.length, sha(text));
    console.log('regexp', (text.match(/"name":"n(\d)\1+/g) || []).length);
}

function buffers() {
    let digest = '';
    for (let i = 0; i < 400; i++) {
        const buffer = Buffer.alloc(20000 + random(200000), i & 255);
        buffer.writeUInt32LE(i, random(1000));
        const copy = Buffer.concat([buffer.subarray(100, 5000), Buffer.from(String(i))]);
        digest = sha(digest + copy.toString('base64'));
    }
    console.log('buffers', digest);
}

async function compression() {
    const jobs = [];
    for (let i = 1; i <= 24; i++)
        jobs.push(util.promisify(zlib.deflate)(Buffer.from(('part ' + i + ' ').repeat(30000))));
    const packed = await Promise.all(jobs);
    const again = await Promise.all(packed.map((one) => util.promisify(zlib.inflate)(one)));
    console.log('zlib', packed.reduce((n, one) => n + one.length, 0), sha(Buffer.concat(again)));
}

async function streams() {
    const upper = new Transform({
        transform(chunk, _, done) { done(null, String(chunk).toUpperCase()); },
    });
    const source = Readable.from((function* () {
        for (let i = 0; i < 3000; i++)
            yield 'line ' + i + '\n';
    })());
    const hash = crypto.createHash('sha1');
    await util.promisify(pipeline)(source, upper, zlib.createGzip(), zlib.createGunzip(), hash);
    console.log('stream', hash.digest('hex'));
}

async function workers() {
    const run = (n) => new Promise((resolve, reject) => {
        new Worker(__filename, { workerData: n }).on('message', resolve).on('error', reject);
    });
    console.log('workers', (await Promise.all([1, 2, 3].map(run))).join(' '));
}

async function main() {
    documents();
    buffers();
    await compression();
    await streams();
    await workers();
    console.log('child', execFileSync('/bin/echo', ['from', 'a', 'child']).toString().trim());
}

if (isMainThread) {
    main();
} else {
    const lists = [];
    for (let i = 0; i < 3000; i++)
        lists.push(Buffer.from('worker ' + workerData * i).toString('hex'));
    parentPort.postMessage(sha(lists.join()));
}
