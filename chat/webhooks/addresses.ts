import { lookup, type LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import ipaddr from 'ipaddr.js'

/** What an endpoint's URL may be. */
export interface TargetRules {
  /** Into private networks, too, for development. */
  allowPrivate: boolean
  /** `http:`, too. */
  allowHttp: boolean
}

/** Why an endpoint's address is not asked. The code is shown as `lastError`. */
export class AddressError extends Error {
  override name = 'AddressError'
  readonly code = 'private_address'
}

/** The system's resolver. Tests put another one in its place. */
export const resolver = { lookup: promisify(lookup) as (host: string, options: { all: true }) => Promise<LookupAddress[]> }

/** Global unicast of IPv6. The rest is reserved, or names IPv4 addresses in other ways. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3')

export function isPublicAddress (address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || (parsed as ipaddr.IPv6).match(GLOBAL_IPV6 as [ipaddr.IPv6, number])
}

/** The host of a URL, without the brackets of IPv6. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '')

/** Returns what is wrong with the URL of an endpoint, as far as it alone says; undefined: nothing. */
export function fault (text: string, { allowHttp }: TargetRules): string | undefined {
  const url = URL.parse === undefined ? (URL.canParse(text) ? new URL(text) : null) : URL.parse(text)
  if (url === null) return 'is no URL'
  if (url.protocol !== 'https:' && !(allowHttp && url.protocol === 'http:')) return allowHttp ? 'must begin with https:// or http://' : 'must begin with https://'
  if (url.username !== '' || url.password !== '') return 'must hold no user name and no password'
  if (text.includes('#')) return 'must have no fragment'
  return undefined
}

/** Resolves a name once. @throws AddressError if one of its addresses is not public; the resolver's error if it has none */
export async function addressesOf (host: string, { allowPrivate }: TargetRules): Promise<LookupAddress[]> {
  const family = isIP(host)
  const addresses = family === 0 ? await resolver.lookup(host, { all: true }) : [{ address: host, family }]
  if (!allowPrivate && !addresses.every(({ address }) => isPublicAddress(address))) throw new AddressError('The address is private')
  return addresses
}

/** Resolves the host of an endpoint. @throws as `addressesOf` */
export async function assertReachable (url: string, rules: TargetRules): Promise<void> {
  const addresses = await addressesOf(hostOf(new URL(url)), rules)
  if (addresses.length === 0) throw new Error('The name has no address')
}
