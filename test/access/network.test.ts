import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkOf } from '../../src/access/network.ts'

test('an IPv4 address is its own network; an IPv6 address belongs to its /64', () => {
  const same = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8:1:2::1', '2001:db8:1:2'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8::5:6:7:8', '2001:db8:0:0'],
    ['2001::4:5:6:7:8', '2001:0:0:4'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['fe80::1%eth0.100', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    // An address in the IPv6 prefix into which IPv4 addresses are translated.
    ['64:ff9b::c000:201', '64:ff9b::c000:201'],
  ]
  for (const [address = '', network] of same) assert.equal(networkOf(address), network, address)
})
