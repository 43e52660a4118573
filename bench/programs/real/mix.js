// SPDX-License-Identifier: MIT
// JSON, maps, strings and buffers outside the JavaScript heap: mix.js COUNT JSON_FILE
'use strict';
const fs = require('fs');
const zlib = require('zlib');

const count = Number(process.argv[2]);
const text = fs.readFileSync(process.argv[3], 'utf8');
const records = JSON.parse(text);
console.log('records', records.length);

const byTag = new Map();
for (const record of records) {
    for (const tag of record.tags) {
        if (!byTag.has(tag)) byTag.set(tag, []);
        byTag.get(tag).push(record.id);
    }
}
console.log('tags', [...byTag.keys()].sort().slice(0, 5).join());

let kept = [];
let sum = 0;
for (let i = 0; i < count; i++) {
    const buffer = Buffer.alloc(8192 + (i * 7919) % 8192, i & 255);
    sum += buffer[buffer.length - 1];
    kept.push(buffer);
    if (kept.length > 200) kept = kept.slice(100);
}
console.log('buffers', sum);

const packed = zlib.deflateSync(text, { level: 6 });
console.log('unpacked', zlib.inflateSync(packed).length);
console.log('words', text.match(/[a-z]{4,}/g).length);
