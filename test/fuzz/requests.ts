import { createHmac } from 'node:crypto'
import type { Rng } from '../chaos/rng.js'
import { mint, SECRET } from '../chaos/token.js'
import type { Route, Schema } from './routes.js'
import { HOSTILE, MISSING, inUrl, nearlyValid, strangeJson, valid, type Pools } from './values.js'
import type { WireRequest } from './wire.js'
import type { World } from './world.js'

/** A request of the fuzzer, and what is known about it. */
export interface FuzzRequest extends WireRequest {
  /** The route that it is meant for. Undefined if no route has the method or path. */
  route: Route | undefined
  /** Whether it is HTTP that a server must respond to. A server may close the connection on anything else. */
  wellFormed: boolean
  /** Whether it asks for a stream with an event id that no server can have issued: the answer is `reset`. */
  mustReset: boolean
  /** The body as a value, as long as it is one: the shrinker takes it apart. */
  json?: unknown
}

export type Kind = 'valid' | 'nearlyValid' | 'hostile'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'LOCK', 'M-SEARCH', 'PURGE', 'get', 'FETCH', 'CONNECT']
/** The routes that hash passwords. Each request to them costs as much as a hundred others. */
const HASHES = /\/auth\//
const POSITIONS = ['x', '.', '0', '-1', 'NaN', 'abc.1.1', 'abcdefghij.1.1', 'abcdefghij.all.1', 'abcdefghij.all.1.2.3.4', '__proto__.1.1', 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(4000), 'a b', 'é', '%00', '../..', '1.1', '..1', 'a.1.1.1.1.1']

/** Makes request `index` of a run. It is the same for the same numbers and the same world. */
export function makeRequest (routes: readonly Route[], world: World, rng: Rng): FuzzRequest {
  const route = pickRoute(routes, rng)
  const kind = rng.weighted<Kind>({ valid: 3, nearlyValid: 4, hostile: 4 })
  const caller = rng.weighted({ 0: 5, 1: 3, 2: 2, 3: 1 })
  const userId = world.callers[Number(caller)]!
  const pools = { ...world.pools, token: [mint(userId)] }

  const request: FuzzRequest = {
    route,
    method: route.method,
    target: targetOf(route, kind, pools, rng),
    version: 'HTTP/1.1',
    headers: [['Host', '127.0.0.1'], ['Authorization', `Bearer ${mint(userId)}`]],
    body: null,
    framing: 'length',
    copies: 1,
    wellFormed: true,
    mustReset: false
  }
  if (route.url.endsWith('/sse')) positionStream(request, world, kind, rng)
  giveBody(request, route.body, kind, pools, rng)
  if (kind === 'hostile') mangle(request, userId, rng)
  return request
}

/** Routes with parameters or a body come more often than others, and those that hash passwords rarely. */
function pickRoute (routes: readonly Route[], rng: Rng): Route {
  const hashing = routes.filter(({ url }) => HASHES.test(url))
  if (hashing.length > 0 && rng.chance(0.03)) return rng.pick(hashing)
  const inputs = routes.filter(route => !hashing.includes(route) && (route.body ?? route.query ?? route.params) !== undefined && route.method !== 'HEAD')
  return inputs.length > 0 && rng.chance(0.8) ? rng.pick(inputs) : rng.pick(routes.filter(route => !hashing.includes(route)))
}

// ---- target

function targetOf ({ url, params, query }: Route, kind: Kind, pools: Pools, rng: Rng): string {
  const path = url.replaceAll(/:(\w+)/g, (_, name: string) => {
    // An id in a path is the id of what precedes it.
    const plural = new RegExp(`/(\\w+)s/:${name}`).exec(url)?.[1]
    const pool = pools[`${plural}Id`] ?? pools[name]
    return inUrl(valueOf(params?.properties?.[name] ?? { type: 'string' }, name, kind, pool === undefined ? pools : { ...pools, [name]: pool }, rng), rng)
  })
  const names = Object.keys(query?.properties ?? {}).filter(name => rng.chance(name === 'ticket' ? 0.05 : 0.4))
  const pairs = names.map(name => `${name}=${inUrl(valueOf(query!.properties![name]!, name, kind, pools, rng), rng)}`)
  if (kind === 'hostile' && rng.chance(0.2)) {
    pairs.push(rng.pick(['', '=', '&&', 'limit', 'limit=1&limit=2', 'x[]=1', 'x[y]=1', '__proto__=1', '__proto__[x]=1', 'constructor.prototype=1', '%', '%00=%00', `x=${'x'.repeat(3000)}`, 'conversationId=a&conversationId=b', 'token=x&token=y']))
  }
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
}

function valueOf (schema: Schema, name: string, kind: Kind, pools: Pools, rng: Rng): unknown {
  const good = valid(schema, name, pools, rng)
  if (kind === 'valid' || rng.chance(0.5)) return good
  const value = kind === 'nearlyValid' ? nearlyValid(schema, good, rng) : rng.pick(HOSTILE)
  return value === MISSING ? '' : value
}

function positionStream (request: FuzzRequest, { eventIds }: World, kind: Kind, rng: Rng): void {
  if (rng.chance(0.4)) return
  const issued = rng.pick(eventIds)
  if (kind === 'valid') {
    request.headers.push(['Last-Event-ID', issued])
    return
  }
  if (rng.chance(0.5)) {
    const impossible = rng.pick(POSITIONS)
    request.headers.push(['Last-Event-ID', impossible])
    request.mustReset = impossible.trim() !== ''
    return
  }
  const at = rng.integer(0, issued.length - 1)
  request.headers.push(['Last-Event-ID', issued.slice(0, at) + rng.pick(['', '0', '9', 'x', '.', ':', 'A', ' ', 'é']) + issued.slice(at + rng.integer(0, 1))])
}

// ---- body and headers

function giveBody (request: FuzzRequest, schema: Schema | undefined, kind: Kind, pools: Pools, rng: Rng): void {
  if (schema === undefined) {
    if (kind === 'hostile' && rng.chance(0.15)) setJson(request, rng.pick(HOSTILE))
    return
  }
  const good = valid(schema, '', pools, rng)
  if (kind === 'valid') return setJson(request, good)
  if (kind === 'hostile' && rng.chance(0.3)) {
    request.body = strangeJson(good, rng)
    request.headers.push(['Content-Type', 'application/json'])
    return
  }
  setJson(request, disturb(schema, good, kind, rng))
}

/** Changes one or two fields, rarely the whole. */
function disturb (schema: Schema, good: unknown, kind: Kind, rng: Rng): unknown {
  const odd = (part: Schema, value: unknown): unknown => kind === 'nearlyValid' ? nearlyValid(part, value, rng) : rng.pick(HOSTILE)
  if (typeof good !== 'object' || good === null || Array.isArray(good) || rng.chance(0.08)) {
    const whole = odd(schema, good)
    return whole === MISSING ? undefined : whole
  }
  const body: Record<string, unknown> = { ...good }
  const properties: Record<string, Schema> = Object.assign({}, ...[schema, ...schema.oneOf ?? []].map(part => part.properties))
  const names = Object.keys(properties)
  for (let left = rng.integer(1, 2); left > 0 && names.length > 0; left--) {
    const name = rng.pick(names)
    const value = odd(properties[name]!, body[name])
    if (value === MISSING) delete body[name]
    else body[name] = value
  }
  if (rng.chance(0.1)) body[rng.pick(['extra', 'senderId', 'seq', 'role', 'toString', ''])] = rng.pick(HOSTILE)
  return body
}

export function setJson (request: FuzzRequest, value: unknown): void {
  request.json = value
  request.body = value === undefined ? null : Buffer.from(JSON.stringify(value))
  request.headers = request.headers.filter(([name]) => name !== 'Content-Type')
  if (value !== undefined) request.headers.push(['Content-Type', 'application/json'])
}

// ---- hostile requests

function mangle (request: FuzzRequest, userId: string, rng: Rng): void {
  const how = rng.weighted({ nothing: 6, token: 4, method: 1, target: 2, header: 2, contentType: 1.5, framing: 2, version: 0.5 })
  switch (how) {
    case 'token': return mangleToken(request, userId, rng)
    case 'method':
      request.method = rng.pick(METHODS)
      request.route = undefined
      request.wellFormed = !['get', 'FETCH', 'CONNECT'].includes(request.method)
      return
    case 'target': return mangleTarget(request, rng)
    case 'header': return mangleHeaders(request, rng)
    case 'contentType': return setHeader(request, 'Content-Type', rng.pick(CONTENT_TYPES))
    case 'framing': return mangleFraming(request, rng)
    case 'version':
      request.version = rng.pick(['HTTP/1.0', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', 'HTTP/1.1 ', 'http/1.1', ''])
      request.wellFormed = request.version === 'HTTP/1.0'
      // HTTP/1.0 has no chunks.
      if (request.framing === 'chunked') request.framing = 'length'
  }
}

const CONTENT_TYPES = ['', 'application/json; charset=utf-16', 'application/json;charset=utf-8', 'APPLICATION/JSON', 'application/json;', 'application/json; a="b', 'text/json', 'text/plain', 'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x', 'application/octet-stream', 'application/problem+json', 'application/jsonx', 'json', '*/*', 'é', ', , ,', ';;;', 'application/json, text/plain', 'a/b; '.repeat(500), '__proto__']

function setHeader (request: FuzzRequest, name: string, value: string): void {
  request.headers = [...request.headers.filter(([other]) => other !== name), [name, value]]
}

function mangleToken (request: FuzzRequest, userId: string, rng: Rng): void {
  const good = mint(userId)
  const parts = good.split('.') as [string, string, string]
  const sign = (claims: object, header: object = { alg: 'HS256', typ: 'JWT' }): string => {
    const content = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${content}.${createHmac('sha256', SECRET).update(content).digest('base64url')}`
  }
  const exp = Math.floor(Date.now() / 1000) + 3600
  const at = rng.integer(0, good.length - 1)
  const tokens: Array<() => string> = [
    () => '', () => 'x', () => good.slice(0, at), () => good.slice(0, at) + rng.pick(['A', '.', '-', '=', ' ', 'é', '%']) + good.slice(at + 1), () => `${good}.`, () => `${good} x`, () => ` ${good}`, () => parts.join('..'), () => `${parts[0]}.${parts[1]}.`,
    () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${parts[1]}.`, () => `${Buffer.from('{"alg":"HS384"}').toString('base64url')}.${parts[1]}.${parts[2]}`, () => `${'x'.repeat(9000)}.y.z`,
    () => sign({ sub: userId, exp: exp - 7200 }), () => sign({ sub: userId }), () => sign({ exp }), () => sign({ sub: userId, exp: rng.pick([1e308, -1, 0, '9', null, true, [], 2 ** 53, 8.64e15]) }),
    () => sign({ sub: rng.chance(0.5) ? userId : `new${at}`, exp, iat: rng.pick([-1e300, -1, 1e300, 'x', null, exp + 9e9]), name: `name ${at}` }), () => sign({ sub: userId, exp, nbf: rng.pick([-1e300, 1e300, 'x', null, exp]) }),
    () => sign({ sub: rng.pick(HOSTILE), exp }), () => sign({ sub: userId, exp, name: rng.pick(HOSTILE) }), () => sign({ sub: userId, exp, picture: rng.pick(['javascript:1', 'http://[', `http://x/${'y'.repeat(3000)}`, 'https://x/\u0000', ...HOSTILE as string[]]) }),
    () => sign({ sub: userId, exp }, { alg: 'HS256', kid: '../../etc/passwd', jku: 'http://127.0.0.1:1/', crit: ['x'] }), () => sign({ sub: userId, exp, deep: JSON.parse('['.repeat(500) + ']'.repeat(500)) as unknown }),
    () => Buffer.from(`{"alg":"HS256"}.{"sub":"${userId}"}`).toString('base64url')
  ]
  const token = toLatin1(rng.pick(tokens)())
  const scheme = rng.weighted({ 'Bearer ': 20, 'bearer ': 1, 'Bearer  ': 1, 'Basic ': 1, 'Bearer\t': 1, '': 1, Bearer: 1 })
  request.headers = request.headers.filter(([name]) => name !== 'Authorization')
  const inQuery = request.route?.query?.properties?.token !== undefined && rng.chance(0.5)
  if (inQuery) request.target += `${request.target.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`
  else request.headers.push(['Authorization', `${scheme}${token}`], ...(rng.chance(0.1) ? [['Authorization', `Bearer ${good}`] as [string, string]] : []))
}

/** A text as bytes for a header. Line ends would begin another header. */
const toLatin1 = (text: string): string => Buffer.from(text).toString('latin1').replaceAll(/[\r\n\0]/g, '')

function mangleTarget (request: FuzzRequest, rng: Rng): void {
  const { target } = request
  const [path = '', query] = target.split('?')
  const at = rng.integer(1, Math.max(1, path.length - 1))
  const token = request.headers.find(([name]) => name === 'Authorization')?.[1].slice('Bearer '.length) ?? ''
  request.route = undefined
  request.target = rng.pick([
    `/${target}`, `${path}/`, `${path}//`, `${path}/.`, `${path}/..`, `${path}/../${path}`, path.toUpperCase(), `${path};x=1`, `${path}%00`, `${path}%2f`, `${path}%`, `${path}.json`, `${path}#x`,
    path.slice(0, at) + rng.pick(['%2F', '/', '//', '%', '%00', '\\', '\u00ff', '*', ':x', '..', '%c0%ae']) + path.slice(at), `http://127.0.0.1${target}`, `http://other.example${target}`, '*', '?', '//', '/%', '/%ff', `/${'a/'.repeat(2000)}`, `/${'x'.repeat(7000)}`,
    `${path}/${token}`, `/${token}`, `/token=${token}`, `${path}%3Ftoken=${token}`, `${path}?${query ?? ''}?token=${token}`, `${path}?TOKEN=${token}`
  ])
  request.wellFormed = !/[^!-~\u0080-\u00ff]/.test(request.target) && /^[/h]/.test(request.target)
}

function mangleHeaders (request: FuzzRequest, rng: Rng): void {
  const long = 'a '.repeat(rng.pick([1000, 5000, 7000]))
  const names = ['If-None-Match', 'If-Modified-Since', 'Accept', 'Accept-Encoding', 'Accept-Language', 'Origin', 'Referer', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'Forwarded', 'Cookie', 'Range', 'If-Range', 'Expect', 'Upgrade',
    'Connection', 'Keep-Alive', 'TE', 'Trailer', 'Via', 'User-Agent', 'X-Request-Id', 'Request-Id', 'X-HTTP-Method-Override', 'Content-Encoding', 'Access-Control-Request-Method', 'Access-Control-Request-Headers', 'Cache-Control', 'Last-Event-ID', '__proto__', 'constructor', 'toString']
  const values = ['', ' ', '*', 'x', 'é\u00ff', 'W/"x"', '"', `a${long}b`, `${'a,'.repeat(3000)}`, 'null', 'http://[', 'https://chat.example', 'bytes=0-1', 'bytes=-1', 'close', 'keep-alive, upgrade', 'websocket', 'h2c', 'gzip;q=0', 'identity', 'gzip', 'br', 'deflate, gzip', '127.0.0.1, ::1, unknown',
    '100-continue', 'unknown', '\t', '__proto__', 'DELETE', 'trailers', '-1', '1e9']
  for (let left = rng.integer(1, 3); left > 0; left--) request.headers.push([rng.pick(names), rng.pick(values)])
  if (rng.chance(0.1)) {
    request.headers = request.headers.filter(([name]) => name !== 'Host')
    if (rng.chance(0.5)) request.headers.push(['Host', rng.pick(['', 'x', '[::1', 'a b', 'a'.repeat(5000), '127.0.0.1:99999'])])
  }
  if (rng.chance(0.05)) request.headers.push(...Array.from({ length: 2500 }, (_, index) => [`X-${index}`, '1'] as [string, string]))
  // Breaks the syntax of a header.
  if (rng.chance(0.1)) {
    request.headers.push(rng.pick([['X Y', 'z'], ['', 'z'], ['X', 'a\u0000b'], ['X', 'a\nb'], ['X\u00e9', 'z'], ['Content-Length', '5'], ['Content-Length', '-1'], ['Content-Length', 'x'], ['Transfer-Encoding', 'gzip'], ['Transfer-Encoding', 'chunked'], ['Transfer-Encoding', 'identity, chunked, chunked']] as Array<[string, string]>))
    request.wellFormed = false
  }
  if (request.headers.some(([name]) => ['Upgrade', 'Expect', 'Connection', 'Content-Encoding'].includes(name))) request.wellFormed &&= !request.headers.some(([name, value]) => name === 'Upgrade' && value !== '')
}

function mangleFraming (request: FuzzRequest, rng: Rng): void {
  request.body ??= Buffer.from('{}')
  request.framing = rng.pick(['chunked', 'chunked', 'split', 'split', 'cut', 'none'])
  if (request.framing === 'cut' || request.framing === 'none') request.wellFormed = false
  if (request.framing !== 'cut' && rng.chance(0.3)) request.copies = rng.integer(2, 6)
  // Bytes without a stated length are the beginning of another request.
  if (request.framing === 'none') request.copies = 1
}
