/** Groups of digits in an IPv6 address, and in the part that names its network. */
const GROUPS = 8
const NETWORK_GROUPS = 4
/** Prefix of translated IPv4 addresses, each of which may be somebody else (RFC 6052). */
const TRANSLATED = '64:ff9b:'

/**
 * Returns what counts as one place to come from: an IPv4 address, or the /64 network of an IPv6 address, since
 * everybody in it can take any address there.
 *
 * @param address as sockets name it
 */
export function networkOf(address: string): string {
  // A zone follows %, such as the interface eth0.100.
  const [plain = ''] = address.split('%')
  // A dot means IPv4, or IPv4 written as IPv6.
  if (!plain.includes(':') || plain.includes('.') || plain.startsWith(TRANSLATED)) return plain
  const [front = [], back = []] = plain.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: GROUPS - front.length - back.length }, () => '0')
  return [...front, ...zeros, ...back].slice(0, NETWORK_GROUPS).join(':')
}
