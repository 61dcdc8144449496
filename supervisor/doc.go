// Package supervisor runs the storefront and its stack as operating-system
// processes of one program: it opens their sockets, hands them over, redirects
// their output to bounded files, waits until they are ready, starts a crashed
// one again and ends all of them together.
//
// No child outlives the supervisor, however it ends: the kernel signals them
// where it can (Linux), and each watches a pipe that only the supervisor holds
// open.
//
//	s, err := supervisor.Up(ctx, supervisor.Config{Dir: ".", Out: os.Stdout, RPS: 20})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	<-ctx.Done()
package supervisor
