/** Groups of digits in an address of IPv6, and those of its network. */
const GROUPS = 8
const NETWORK_GROUPS = 4
/** Behind this stand addresses of IPv4, of as many people (RFC 6052). */
const TRANSLATED = '64:ff9b:'

/**
 * What counts as one place to come from: an address of IPv4; of IPv6 the network (/64) that it is in, of which whoever is
 * in it can take any address.
 *
 * @param address as sockets name it
 */
export function networkOf(address: string): string {
  // Behind % stands the interface that it came in by, eth0.100 say.
  const [plain = ''] = address.split('%')
  // With a dot: IPv4, or IPv4 written as IPv6.
  if (!plain.includes(':') || plain.includes('.') || plain.startsWith(TRANSLATED)) return plain
  const [front = [], back = []] = plain.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: GROUPS - front.length - back.length }, () => '0')
  return [...front, ...zeros, ...back].slice(0, NETWORK_GROUPS).join(':')
}
