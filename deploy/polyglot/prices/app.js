// Says what an item costs. It asks stock how many there are. It knows nothing of tenhop.
const fs = require('node:fs');
const express = require('express');
const { trace, SpanKind } = require('@opentelemetry/api');

const tracer = trace.getTracer('prices');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// fault returns the fault of this service, as a kind and milliseconds.
function fault() {
  try {
    const [kind, ms] = fs.readFileSync(process.env.FAULT_FILE, 'utf8').trim().split(' ');
    return { kind, ms: Number(ms) };
  } catch {
    return { kind: 'none', ms: 0 };
  }
}

// query stands for a database driver with instrumentation.
async function query(ms) {
  const span = tracer.startSpan('SELECT prices', { kind: SpanKind.CLIENT, attributes: { 'db.system.name': 'mysql', 'db.operation.name': 'SELECT' } });
  await sleep(ms);
  span.end();
}

// Pool runs at most size functions at a time.
class Pool {
  constructor(size) {
    this.free = size;
    this.waiting = [];
  }

  async run(f) {
    if (this.free > 0) this.free--;
    else await new Promise((turn) => this.waiting.push(turn));
    try {
      return await f();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}

const wide = new Pool(16);
const narrow = new Pool(1);
const app = express();

app.get('/prices/:item', async (req, res) => {
  const { kind, ms } = fault();
  await (kind === 'pool' ? narrow : wide).run(() => sleep(kind === 'pool' ? ms : 5));
  if (kind === 'latency') await sleep(ms);
  await query(kind === 'query' ? ms : 3);
  if (kind === 'errors') {
    res.status(500).json({ error: 'price is not known' });
    return;
  }
  const answer = await fetch(`${process.env.STOCK_URL}/stock/${req.params.item}`);
  res.status(answer.ok ? 200 : 502).json({ item: req.params.item, stock: await answer.json() });
});

app.listen(Number(process.env.PORT), '127.0.0.1');
