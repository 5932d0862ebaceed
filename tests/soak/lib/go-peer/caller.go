package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var sizes = []int{0, 5, 100, 5000, 20000, 70000, 300000}

// Arguments: address, number of calls, and for TLS the file of the authority. Prints how many calls ended how, as JSON.
func call(args []string) {
	security := insecure.NewCredentials()
	if len(args) > 2 {
		var err error
		if security, err = credentials.NewClientTLSFromFile(args[2], "localhost"); err != nil {
			panic(err)
		}
	}
	conn, err := grpc.NewClient(args[0], grpc.WithTransportCredentials(security), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<26)))
	if err != nil {
		panic(err)
	}
	var count int
	fmt.Sscan(args[1], &count)
	tally := map[string]int{}
	var lock sync.Mutex
	var all sync.WaitGroup
	room := make(chan struct{}, 200)
	for number := 1; number <= count; number++ {
		all.Add(1)
		room <- struct{}{}
		go func(number int) {
			defer all.Done()
			outcome := callOnce(conn, number)
			<-room
			lock.Lock()
			tally[outcome]++
			lock.Unlock()
		}(number)
	}
	all.Wait()
	_ = conn.Close()
	_ = json.NewEncoder(os.Stdout).Encode(tally)
}

func callOnce(conn *grpc.ClientConn, number int) string {
	kind := number % 10
	size := sizes[number/10%len(sizes)]
	method, want, timeout := "/soak.Echo/Echo", "ok", 20*time.Second
	switch kind {
	case 0:
		size, want = 3, "status"
	case 1:
		size, want, timeout = 7, "deadline", 300*time.Millisecond
	case 2:
		size, want = 7, "cancelled"
	case 3:
		method, want = "/soak.Echo/Nothing", "unimplemented"
	}
	if number%200 == 4 {
		size = 3000000
	}
	body := []byte(strings.Repeat(fmt.Sprint(number, " "), size/2+1)[:size])
	if kind == 0 {
		body[0] = byte(1 + number/10%16)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if kind == 2 {
		time.AfterFunc(5*time.Millisecond, cancel)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "x-length", fmt.Sprint(size), "x-twice", "a", "x-twice", "b", "x-data-bin", "\x00\xff")
	options := []grpc.CallOption{}
	if number%3 == 0 {
		options = append(options, grpc.UseCompressor("gzip"))
	}
	var answer []byte
	err := conn.Invoke(ctx, method, &body, &answer, options...)
	return outcomeOf(err, body, answer, want)
}

func outcomeOf(err error, body []byte, answer []byte, want string) string {
	got := "ok"
	switch status.Code(err) {
	case codes.OK:
		for i := range body {
			if len(answer) != len(body) || answer[i] != body[len(body)-1-i] {
				return "a wrong answer"
			}
		}
	case codes.Canceled:
		got = "cancelled"
	case codes.DeadlineExceeded:
		got = "deadline"
	case codes.Unimplemented:
		got = "unimplemented"
	default:
		got = "status"
	}
	// A status of any kind is asked for by its number.
	if want == "status" && err != nil && status.Code(err) == codes.Code(body[0]%17) && status.Convert(err).Message() == fmt.Sprintf("ärger %d", body[1]) {
		return "status"
	}
	if got == want && want != "status" {
		return want
	}
	return fmt.Sprintf("%s instead of %s: %v", got, want, err)
}
