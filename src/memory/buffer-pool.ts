/**
 * Node cuts small buffers out of slabs of 64 KB, and a single one that is kept, a sealed key say, keeps its whole slab:
 * a thousand of them kept 60 MB. With slabs of 4 KB nothing becomes slower that could be measured. The size is that of
 * one thread: whatever starts as one imports this file.
 */
Buffer.poolSize = 4_096
