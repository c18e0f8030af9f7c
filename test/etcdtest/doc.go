// Package etcdtest starts real etcd for tests.
//
// [Start] runs one member inside the test process: about 0.1 s, and what most tests want. Its clock is ten
// times as fast as etcd's own (heartbeat 10 ms, election 100 ms), so that a lease of 1 s is granted as asked.
//
// [Processes] runs members as processes of their own, so that they can be killed, stopped, continued and
// restarted on the same ports and data. No etcd binary is needed: the test binary runs itself again as etcd,
// so a package that uses Processes has
//
//	func TestMain(m *testing.M) { etcdtest.MaybeRun(); os.Exit(m.Run()) }
//
// With DRM_TEST_ETCD=/path/to/etcd members run that one, and with them every test of Processes.
//
// Everything listens on 127.0.0.1, lives in t.TempDir and ends with the test; a member also ends when the
// process that started it does, however that ends.
package etcdtest
