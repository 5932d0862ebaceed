// A grpc-go server for any method: echoes messages reversed, fails when asked to, and says goodbye to every connection after 300 ms.
// With `call` as first argument a grpc-go client instead: see caller.go.
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Messages as they come.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *(v.(*[]byte)), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*(v.(*[]byte)) = append([]byte(nil), data...)
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// A message of three bytes asks for a status, one of seven waits until its caller leaves.
func handle(_ any, stream grpc.ServerStream) error {
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	stream.SetTrailer(metadata.Pairs("x-length", fmt.Sprint(len(message))))
	switch len(message) {
	case 3:
		return status.Errorf(codes.Code(message[0]%17), "ärger %d", message[1])
	case 7:
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	for i, j := 0, len(message)-1; i < j; i, j = i+1, j-1 {
		message[i], message[j] = message[j], message[i]
	}
	return stream.SendMsg(&message)
}

func main() {
	encoding.RegisterCodec(bytesCodec{})
	if os.Args[1] == "call" {
		call(os.Args[2:])
		return
	}
	server := grpc.NewServer(
		grpc.UnknownServiceHandler(handle),
		grpc.MaxRecvMsgSize(1<<26),
		grpc.MaxConcurrentStreams(50),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 300 * time.Millisecond, MaxConnectionAgeGrace: 5 * time.Second}),
	)
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	fmt.Println("up")
	_ = server.Serve(listener)
}
