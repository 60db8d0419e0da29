/**
 * Node cuts small buffers out of slabs of 64 KB, and a single one that is kept, a sealed key say, keeps its slab: a
 * thousand of them kept 60 MB. With slabs of 4 KB nothing is slower that could be measured. Of this thread; imported by
 * what starts one.
 */
Buffer.poolSize = 4_096
