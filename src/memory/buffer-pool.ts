/**
 * Node cuts small buffers out of slabs of 64 KB, and one that is kept, such as a sealed key, keeps its whole slab: a
 * thousand of them kept 60 MB. Slabs of 4 KB cost no measurable time. The size applies to one thread, so each thread's
 * first file imports this one.
 */
Buffer.poolSize = 4_096
