/**
 * Node's HTTP without the rest of its module: `import` reads every export, and one of them loads all of undici, which
 * adds 10 ms and 4 MB to a start.
 */
export const { createServer, request } = process.getBuiltinModule('node:http')
