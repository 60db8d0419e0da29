/**
 * Node's HTTP without what else its module exports: `import` asks for every member, and one of them loads all of
 * undici, which takes 10 ms of a start and 4 MB.
 */
export const { createServer, request } = process.getBuiltinModule('node:http')
