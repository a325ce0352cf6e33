/** A request as the log shows it: without its query, which may hold a token or a ticket. */
export function describeRequest ({ method, url, ip }: { method: string, url: string, ip?: string }): Record<string, unknown> {
  return { method, url: url.split('?')[0], remoteAddress: ip }
}
