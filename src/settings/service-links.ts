/**
 * Returns the variables by which Kubernetes tells a container of the services beside it. Those of a service named
 * `countersign` or `countersign-…` begin like settings, and are none. Each service has `…_PORT` with a URL, which no
 * setting's value looks like.
 */
export function serviceLinks(environment: Readonly<Record<string, string | undefined>>): Set<string> {
  const services = Object.entries(environment)
    .filter(([name, value]) => name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(value ?? ''))
    .map(([name]) => name.slice(0, -'_PORT'.length))
  const isLink = (name: string): boolean =>
    services.some((service) => name.startsWith(service) && LINK.test(name.slice(service.length)))
  return new Set(Object.keys(environment).filter(isLink))
}

const LINK = /^_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_[A-Z]+(?:_(?:PROTO|PORT|ADDR))?)$/
