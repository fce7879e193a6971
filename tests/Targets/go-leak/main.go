// Command go-leak is a service that eats memory in a way its flags choose. It serves net/http/pprof.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"time"
)

const (
	mib  = 1 << 20
	tick = 2 * time.Millisecond
)

var kept [][]byte

// MemoryIntensiveFunc keeps growing: every block that it makes is kept and touched.
//
//go:noinline
func MemoryIntensiveFunc(bytes int) {
	const block = 64 << 10
	for bytes > 0 {
		n := block
		if bytes < n {
			n = bytes
		}
		b := make([]byte, n)
		for i := 0; i < n; i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
		bytes -= n
	}
}

// itoaHotSpot burns CPU in strconv.Itoa, and leaves garbage behind.
//
//go:noinline
func itoaHotSpot(n int) (length int) {
	for i := 0; i < n; i++ {
		length += len(strconv.Itoa(1_000_000 + i))
	}
	return length
}

// grow keeps rate bytes a second until limit bytes are kept (0: without end).
func grow(rate, limit int) {
	start, done := time.Now(), 0
	for limit == 0 || done < limit {
		due := int(time.Since(start).Seconds() * float64(rate))
		if limit > 0 && due > limit {
			due = limit
		}
		// At most 8 MiB at once, so that a stall is not followed by one jump.
		behind := due-done > 8*mib
		if behind {
			due = done + 8*mib
		}
		if due > done {
			MemoryIntensiveFunc(due - done)
			done = due
		}
		// From a gigabyte a second on, there is no time to sleep while it lags.
		if !behind || rate < 1_000_000_000 {
			time.Sleep(tick)
		}
	}
}

// left and right call one another as the bits of path say, so that 2^depth places of the program keep a block each.
//
//go:noinline
func left(path, depth, bytes int) {
	if depth == 0 {
		MemoryIntensiveFunc(bytes)
	} else if path&1 == 0 {
		left(path>>1, depth-1, bytes)
	} else {
		right(path>>1, depth-1, bytes)
	}
}

//go:noinline
func right(path, depth, bytes int) {
	if depth == 0 {
		MemoryIntensiveFunc(bytes)
	} else if path&1 == 0 {
		left(path>>1, depth-1, bytes)
	} else {
		right(path>>1, depth-1, bytes)
	}
}

// stacks keeps size bytes, split evenly among 2^depth call stacks.
func stacks(size, depth int) {
	for path := 0; path < 1<<depth; path++ {
		left(path, depth, size>>depth)
	}
}

// sawtooth fills and frees without leaking.
func sawtooth(rate, height int) {
	for {
		kept = nil
		runtime.GC()
		grow(rate, height)
	}
}

// pageCache writes and reads a file again and again: usage rises, danger does not.
func pageCache(path string, size int) {
	buffer := make([]byte, mib)
	for {
		f, err := os.Create(path)
		if err != nil {
			log.Fatal(err)
		}
		for i := 0; i < size/mib; i++ {
			if _, err := f.Write(buffer); err != nil {
				log.Fatal(err)
			}
		}
		_ = f.Sync()
		_ = f.Close()
		_ = os.Remove(path)
	}
}

func selfSigned() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "go-leak"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:6060", "where net/http/pprof is served; port 0 takes a free one")
	useTLS := flag.Bool("tls", false, "serve it under HTTPS with a certificate of its own")
	mode := flag.String("mode", "leak", "leak | hold | stacks | sawtooth | pagecache | crash")
	rate := flag.Float64("rate", 20, "MB (10^6 bytes) a second")
	size := flag.Int("size", 0, "MiB to stop at: leak, hold, stacks, sawtooth, pagecache; 0: never stop")
	depth := flag.Int("depth", 16, "-mode stacks: from how many call stacks, as a power of two")
	profileRate := flag.Int("profile-rate", runtime.MemProfileRate, "bytes that are allocated for each that the heap profile samples")
	delay := flag.Duration("delay", 0, "how long to do nothing first")
	file := flag.String("file", "", "the file that -mode pagecache writes")
	spin := flag.Bool("spin", true, "run the strconv.Itoa hot spot")
	at := flag.Int64("at", 0, "when to begin, in seconds of Unix time, so that many begin together; where that is past, as after a restart: never")
	end := flag.Duration("end", 0, "how long after growing to end, with exit code 0; 0: never")
	goroutines := flag.Int("goroutines", 0, "goroutines that wait for ever")
	flag.Parse()
	runtime.MemProfileRate = *profileRate

	runtime.SetBlockProfileRate(1_000_000)
	runtime.SetMutexProfileFraction(100)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("go-leak: pid %d, pprof on %s\n", os.Getpid(), listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if *useTLS {
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{selfSigned()}, MinVersion: tls.VersionTLS12}
			log.Fatal(server.ServeTLS(listener, "", ""))
		}
		log.Fatal(server.Serve(listener))
	}()
	for i := 0; i < *goroutines; i++ {
		go func() { select {} }()
	}
	if *spin {
		go func() {
			for {
				itoaHotSpot(20_000)
				time.Sleep(5 * time.Millisecond)
			}
		}()
	}
	if *at > 0 {
		wait := time.Until(time.Unix(*at, 0))
		if wait < 0 {
			fmt.Println("go-leak: that was before")
			select {}
		}
		time.Sleep(wait)
	}
	time.Sleep(*delay)
	bytesPerSecond := int(*rate * 1e6)
	switch *mode {
	case "leak":
		grow(bytesPerSecond, *size*mib)
	case "hold":
		grow(1<<30, *size*mib)
	case "stacks":
		stacks(*size*mib, *depth)
	case "sawtooth":
		sawtooth(bytesPerSecond, *size*mib)
	case "pagecache":
		pageCache(*file, *size*mib)
	case "crash":
		grow(bytesPerSecond, *size*mib)
		panic("go-leak: crashed as asked")
	default:
		log.Fatalf("go-leak: unknown -mode %q", *mode)
	}
	fmt.Println("go-leak: done growing")
	if *end > 0 {
		time.Sleep(*end)
		return
	}
	select {}
}
