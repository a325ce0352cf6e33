// npm run bench:simulate
// Checks the arithmetic of docs/scaling.md: audiences are drawn at random and counted, beside what the formulas say.

/** What was measured; see docs/scaling.md. */
const COST = {
  /** Memory of an open stream, bytes. */
  streamBytes: 14_000,
  /** CPU of one delivery, of one message heard from another node, and of one message written in a batch, microseconds. */
  deliveryUs: 5,
  heardUs: 15,
  filteredUs: 2,
  writtenUs: 100
}
/** What people do. */
const LOAD = { messagesPerStreamAndSecond: 1 / 120, streamsPerNode: 50_000 }
/** Of conversations: how many of their participants have a stream open, and how often that is so. */
const AUDIENCES: Array<[size: number, share: number]> = [[2, 0.7], [5, 0.2], [30, 0.09], [500, 0.01]]
const NOTIFY_CHANNELS = 256
const DRAWS = 20_000

const mean = (of: (size: number) => number): number => AUDIENCES.reduce((sum, [size, share]) => sum + share * of(size), 0)

/** Nodes, but for the writer's own, that hold at least one of an audience: it is spread evenly. */
const otherNodes = (size: number, nodes: number): number => (nodes - 1) * (1 - (1 - 1 / nodes) ** size)

interface Row { perMessageDeliveries: number, perMessageNodes: number }

const formula = (nodes: number): Row => ({
  perMessageDeliveries: mean(size => size - 1),
  perMessageNodes: mean(size => otherNodes(size - 1, nodes))
})

function simulated (nodes: number): Row {
  let deliveries = 0
  let reached = 0
  for (let draw = 0; draw < DRAWS; draw++) {
    let point = Math.random()
    const [size] = AUDIENCES.find(([, share]) => (point -= share) < 0) ?? AUDIENCES[0]!
    const writer = Math.floor(Math.random() * nodes)
    const others = new Set<number>()
    for (let listener = 1; listener < size; listener++) {
      deliveries++
      const node = Math.floor(Math.random() * nodes)
      if (node !== writer) others.add(node)
    }
    reached += others.size
  }
  return { perMessageDeliveries: deliveries / DRAWS, perMessageNodes: reached / DRAWS }
}

const round = (value: number): string => value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)

console.log('| | 10 thousand streams | 1 million | 100 million |\n| --- | --- | --- | --- |')
const scales = [10_000, 1_000_000, 100_000_000]
const columns = scales.map(streams => {
  const nodes = Math.max(2, Math.ceil(streams / LOAD.streamsPerNode))
  const [said, counted] = [formula(nodes), simulated(nodes)]
  for (const key of ['perMessageDeliveries', 'perMessageNodes'] as const) {
    if (Math.abs(said[key] - counted[key]) > 0.1 * said[key]) throw new Error(`${key} at ${nodes} nodes: ${said[key]} by formula, ${counted[key]} counted`)
  }
  const messages = streams * LOAD.messagesPerStreamAndSecond
  const deliveries = messages * said.perMessageDeliveries
  const heard = messages * said.perMessageNodes
  // On so few channels a node listens on all of them, and hears all
  const filtered = messages * (nodes - 1)
  return {
    nodes,
    'memory of a node\'s streams, MB': streams / nodes * COST.streamBytes / 1e6,
    'messages/s': messages,
    'deliveries/s': deliveries,
    'other nodes a message reaches': said.perMessageNodes,
    '… counted in the simulation': counted.perMessageNodes,
    'bus messages/s, Redis (one channel a conversation)': heard,
    [`bus messages/s, NOTIFY (${NOTIFY_CHANNELS} channels)`]: filtered,
    'cores to write': messages * COST.writtenUs / 1e6,
    'cores to deliver': deliveries * COST.deliveryUs / 1e6,
    'cores to hear, Redis': heard * COST.heardUs / 1e6,
    'cores to hear, NOTIFY': (filtered * COST.filteredUs + heard * COST.heardUs) / 1e6,
    'rows/s that all sweeps read': messages * nodes
  }
})
for (const name of Object.keys(columns[0]!) as Array<keyof typeof columns[0]>) {
  console.log(`| ${String(name)} | ${columns.map(column => round(column[name]!)).join(' | ')} |`)
}
