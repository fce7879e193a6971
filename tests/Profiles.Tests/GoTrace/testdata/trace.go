package main

import (
	"os"
	"runtime"
	"runtime/trace"
	"sync"
)

var sink [][]byte

func main() {
	f, _ := os.Create(os.Args[1])
	trace.Start(f)
	var wg sync.WaitGroup
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := 0; j < 200; j++ {
				b := make([]byte, 4096)
				if j%100 == 0 {
					_ = append(sink, b)
				}
			}
		}()
	}
	wg.Wait()
	runtime.GC()
	runtime.GC()
	go func() { select {} }()
	trace.Stop()
	f.Close()
}
