/** A text as the service compares it: without case and accents. */
export const plain = (text: string): string => text.normalize('NFKD').toLowerCase().replace(/[\u0300-\u036f]/g, '').normalize('NFC')

/** Whether a text, or a word in it, begins with another one, which is plain. */
export function begins (text: string, wanted: string): boolean {
  const within = plain(text)
  for (let at = within.indexOf(wanted); at !== -1; at = within.indexOf(wanted, at + 1)) {
    if (!/[\p{L}\p{M}\p{N}_]$/u.test(within.slice(0, at))) return true
  }
  return false
}
