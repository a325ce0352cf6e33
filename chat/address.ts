import ipaddr from 'ipaddr.js'

/**
 * The address under which a caller's requests are counted: an IPv4 address, or the /64 prefix of an IPv6 address, since one
 * subscriber usually owns all of a /64. An IPv4 address in IPv6 form (mapped, or translated by NAT64) counts as IPv4.
 */
export function countedAddress (address: string): string {
  // A Unix socket has no address, and a proxy may pass on any text.
  if (!ipaddr.isValid(address)) return address
  const ip = ipaddr.process(address)
  if (!(ip instanceof ipaddr.IPv6)) return ip.toString()
  if (ip.range() === 'rfc6052') return new ipaddr.IPv4(ip.toByteArray().slice(12)).toString()
  return `${new ipaddr.IPv6([...ip.parts.slice(0, 4), 0, 0, 0, 0]).toString()}/64`
}
