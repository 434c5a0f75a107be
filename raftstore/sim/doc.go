// Package sim runs clusters of raftstore's nodes in fake time, breaks them, and checks what they answered.
// It has no code but its tests.
//
// A simulation is a seed. From it come the size of the cluster, its options, and a schedule of faults:
// partitions in one direction and in both, delays, processes killed and power lost with whatever the disk
// had not synced, restarts, clocks that jump, leaderships that are transferred, members that are added,
// removed, promoted and demoted. The nodes are whole: raft, the calls between nodes, log and storage, all
// over connections in memory (network_test.go) and file systems that forget (Pebble's crashable ones),
// inside a testing/synctest bubble. Clients write and read through all nodes meanwhile. In the end
// everything is healed, and must make progress.
//
// # What is checked
//
//	C1. Writes and linearizable reads are linearizable (porcupine).
//	C2. A read at a token shows that revision or a later one.
//	C3. Every read, however fresh, shows exactly the state of its revision, as the history of the healed
//	    cluster has it.
//	C4. Nodes at the same apply index hold the same rows, and their audits, which are not empty, end alike.
//	C5. An acknowledged write took effect once, at the revision of its receipt; a refused one never; one
//	    of unknown outcome at most once. Stamps grow with revisions.
//	C6. Within one life of a node local reads never go back, and none misses what was acknowledged before
//	    that life began.
//	C7. After healing every node is a member, writes, reads, and reaches the others' state.
//
// The same seed gives the same schedule, but not the same run: goroutines within a bubble are scheduled
// as the machine likes, and Raft draws from the process's random source. To repeat a failure, run its
// seed a few times: go test ./raftstore/sim -run TestSchedules -seed N -count 20.
package sim
