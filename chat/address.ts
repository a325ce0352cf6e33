import ipaddr from 'ipaddr.js'

/**
 * What counts as one address when somebody's calls are counted: an IPv4 address, or the /64 of an IPv6 address, of which
 * one subscriber usually has all. An IPv4 address that is written as IPv6 (mapped, or translated by NAT64) is the IPv4 address.
 */
export function countedAddress (address: string): string {
  // a Unix socket has none, and a proxy may hand on any text
  if (!ipaddr.isValid(address)) return address
  const ip = ipaddr.process(address)
  if (!(ip instanceof ipaddr.IPv6)) return ip.toString()
  if (ip.range() === 'rfc6052') return new ipaddr.IPv4(ip.toByteArray().slice(12)).toString()
  return `${new ipaddr.IPv6([...ip.parts.slice(0, 4), 0, 0, 0, 0]).toString()}/64`
}
