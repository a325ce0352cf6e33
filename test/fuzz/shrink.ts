import { setJson, type FuzzRequest } from './requests.js'

/** How many smaller requests are tried for one finding. */
const ATTEMPTS = 200

/** Looks for a smaller request that shows the same. Removes parts, one after the other, as long as it still `fails`. */
export async function shrink (request: FuzzRequest, fails: (smaller: FuzzRequest) => Promise<boolean>): Promise<FuzzRequest> {
  let smallest = request
  let attempts = 0
  for (let found = true; found && attempts < ATTEMPTS;) {
    found = false
    for (const smaller of smallerThan(smallest)) {
      if (++attempts > ATTEMPTS) break
      if (!await fails(smaller)) continue
      smallest = smaller
      found = true
      break
    }
  }
  return smallest
}

function * smallerThan (request: FuzzRequest): Generator<FuzzRequest> {
  if (request.copies > 1) yield { ...request, copies: 1 }
  if (request.framing !== 'length') yield { ...request, framing: 'length' }
  for (const index of request.headers.keys()) yield { ...request, headers: request.headers.filter((_, other) => other !== index) }
  for (const [index, [name, value]] of request.headers.entries()) {
    for (const shorter of halves(value)) {
      yield { ...request, headers: request.headers.map((header, other) => other === index ? [name, shorter] : header) }
    }
  }
  const [path = '', query] = request.target.split('?')
  if (query !== undefined) {
    const pairs = query.split('&')
    for (const index of pairs.keys()) yield { ...request, target: [path, pairs.filter((_, other) => other !== index).join('&')].filter(part => part !== '').join('?') }
    for (const [index, pair] of pairs.entries()) {
      const [name = '', value = ''] = pair.split('=')
      for (const shorter of halves(value)) yield { ...request, target: `${path}?${pairs.map((other, at) => at === index ? `${name}=${shorter}` : other).join('&')}` }
    }
  }
  if (request.route === undefined && path.length > 20) for (const shorter of halves(path)) if (shorter.startsWith('/')) yield { ...request, target: shorter }
  if (request.body === null) return
  yield { ...request, body: null }
  if (request.json === undefined) {
    for (const shorter of [request.body.subarray(0, request.body.length >> 1), request.body.subarray(request.body.length >> 1)]) {
      if (shorter.length > 0 && shorter.length < request.body.length) yield { ...request, body: shorter }
    }
    return
  }
  for (const json of simpler(request.json)) {
    const smaller = { ...request }
    setJson(smaller, json)
    yield smaller
  }
}

function * simpler (value: unknown): Generator<unknown> {
  if (typeof value === 'string') yield * halves(value)
  if (Array.isArray(value)) {
    if (value.length > 1) yield value.slice(0, value.length >> 1)
    if (value.length > 1) yield value.slice(value.length >> 1)
    for (const [index, item] of value.entries()) for (const smaller of simpler(item)) yield value.with(index, smaller)
  } else if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
    for (const [name] of fields) yield Object.fromEntries(fields.filter(([other]) => other !== name))
    for (const [name, item] of fields) for (const smaller of simpler(item)) yield { ...value, [name]: smaller }
  }
}

function * halves (text: string): Generator<string> {
  const letters = [...text]
  if (letters.length < 2) return
  const middle = letters.length >> 1
  yield letters.slice(0, middle).join('')
  yield letters.slice(middle).join('')
  if (letters.length < 8) for (const index of letters.keys()) yield letters.filter((_, other) => other !== index).join('')
}
