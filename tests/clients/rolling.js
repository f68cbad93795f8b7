// A caller in Node that goes on while replicas are restarted: `rolling.js ADDRESSES CA TOKEN RATE STREAMS`.
//
// Makes RATE plain calls a second, and reads STREAMS tips at once, by the service config in docs/ over TLS, until its
// standard input ends. A stream that is cut goes on with its last resume_token, on whichever replica. Prints as JSON what
// became of all of them. NODE_PATH leads to the packages.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const top = path.join(__dirname, '../..');
const SERVICE_CONFIG = fs.readFileSync(path.join(top, 'docs/service-config.json'), 'utf8');
const STREAM_MS = 60_000;

const definition = loader.loadSync('challenges/catalog/v1/catalog.proto', { includeDirs: ['proto', 'protocols'].map((folder) => path.join(top, folder)) });
const { ChallengesCatalog } = grpc.loadPackageDefinition(definition).challenges.catalog.v1;

const told = { calls: 0, failed: {}, p99_ms: 0, streams: 0, cuts: {}, resumed: 0, resets: 0, broken: [] };
const tookMs = [];
let isOver = false;
process.stdin.on('end', () => { isOver = true; }).resume();
const count = (counts, name) => { counts[name] = (counts[name] || 0) + 1; };
const why = (error) => `${grpc.status[error.code]}: ${error.details}`;
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const call = (catalog, method, request, options) => new Promise((resolve) => {
    const asked = Date.now();
    catalog[method](request, options, (error, answer) => {
        told.calls += 1;
        tookMs.push(Date.now() - asked);
        if (error) count(told.failed, why(error));
        resolve(answer);
    });
});

// Of the catalog, page by page.
async function allIds(catalog) {
    const ids = [];
    let pageToken = '';
    do {
        const page = await call(catalog, 'ListChallenges', { pageSize: 100, pageToken }, { deadline: Date.now() + 60_000 });
        ids.push(...page.challenges.map((challenge) => challenge.id));
        pageToken = page.nextPageToken;
    } while (pageToken);
    return ids;
}

// Makes them at that rate, whatever becomes of those before.
async function plainCalls(catalog, ids, rate) {
    const requests = [['ListChallenges', {}], ['GetChallenge', { id: ids[0] }], ['BatchGetChallenges', { ids: ids.slice(0, 50) }]];
    const calls = [];
    const began = Date.now();
    for (let number = 0; !isOver; number += 1) {
        const [method, request] = requests[number % requests.length];
        calls.push(call(catalog, method, request, {}));
        await pause(began + ((number + 1) * 1000) / rate - Date.now());
    }
    await Promise.all(calls);
}

// One tip from its beginning to its end, over as many streams as it takes.
async function readTip(catalog, id) {
    let text = Buffer.alloc(0);
    let token = Buffer.alloc(0);
    const deadline = Date.now() + STREAM_MS;
    while (Date.now() < deadline) {
        try {
            const request = { challengeId: id, resumeToken: token };
            for await (const event of catalog.StreamTips(request, { deadline: Date.now() + STREAM_MS })) {
                const offset = Number(event.offset ?? 0);
                // A text that another replica wrote anew, because the one that wrote it left.
                if (event.reset || (event.accepted && offset < text.length)) {
                    told.resets += text.length ? 1 : 0;
                    text = Buffer.alloc(0);
                }
                if (event.delta) text = Buffer.concat([text, Buffer.from(event.delta.text)]);
                if (event.done) {
                    const hash = crypto.createHash('sha256').update(text).digest();
                    return hash.equals(event.done.sha256) ? null : 'done is of another text';
                }
                if (text.length !== offset) {
                    return `there are ${text.length} bytes where there should be ${offset}`;
                }
                token = event.resumeToken;
            }
        } catch (error) {
            if (error.code !== grpc.status.UNAVAILABLE) return why(error);
            count(told.cuts, error.details);
            told.resumed += token.length ? 1 : 0;
            await pause(50);
        }
    }
    return 'it did not end in time';
}

async function readTips(catalog, ids) {
    for (let number = 0; !isOver; number += 1) {
        const problem = await readTip(catalog, ids[number % ids.length]);
        told.streams += 1;
        if (problem) told.broken.push(problem);
    }
}

async function main([addresses, authority, token, rate, streams]) {
    const caller = grpc.credentials.createFromMetadataGenerator((_, done) => {
        const metadata = new grpc.Metadata();
        metadata.set('authorization', `Bearer ${token}`);
        done(null, metadata);
    });
    const tls = grpc.credentials.createSsl(fs.readFileSync(authority));
    const catalog = new ChallengesCatalog(
        `ipv4:${addresses}`,
        grpc.credentials.combineChannelCredentials(tls, caller),
        { 'grpc.service_config': SERVICE_CONFIG, 'grpc.ssl_target_name_override': 'localhost' },
    );
    await new Promise((resolve, reject) => {
        catalog.waitForReady(Date.now() + 60_000, (error) => (error ? reject(error) : resolve()));
    });
    const ids = await allIds(catalog);
    const readers = Array.from({ length: Number(streams) }, (_, number) => {
        // Each reads other tips.
        const own = ids.filter((_id, at) => at % Number(streams) === number);
        return readTips(catalog, own);
    });
    await Promise.all([plainCalls(catalog, ids, Number(rate)), ...readers]);
    tookMs.sort((one, other) => one - other);
    told.p99_ms = tookMs[Math.floor(tookMs.length * 0.99)] || 0;
    console.log(JSON.stringify(told));
    catalog.close();
}

main(process.argv.slice(2));
