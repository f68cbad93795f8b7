// A caller in Go, with stubs from proto/ and Debian's grpc: `catalog ADDR list|fail|stream`.
//
// Prints what it got as JSON; tests/it/clients compares it.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	catalogv1 "challenges-catalog/gen/challenges/catalog/v1"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

const (
	known   = "7368dad2-43a3-4359-95c9-2405f700f00e"
	unknown = "00000000-0000-4000-8000-000000000000"
)

type found map[string]interface{}

// The first two for beginners, by two pages.
func lists(ctx context.Context, catalog catalogv1.ChallengesCatalogClient) (found, error) {
	var titles []string
	page := &catalogv1.ListChallengesResponse{}
	for number := 0; number < 2; number++ {
		var err error
		page, err = catalog.ListChallenges(ctx, &catalogv1.ListChallengesRequest{
			Difficulty: catalogv1.Difficulty_DIFFICULTY_BEGINNER,
			PageSize:   1,
			PageToken:  page.NextPageToken,
		})
		if err != nil {
			return nil, err
		}
		for _, challenge := range page.Challenges {
			titles = append(titles, challenge.Title)
		}
	}
	return found{"total": page.TotalCount, "titles": titles}, nil
}

// What it tells about a challenge that is not there.
func fails(ctx context.Context, catalog catalogv1.ChallengesCatalogClient) (found, error) {
	_, err := catalog.GetChallenge(ctx, &catalogv1.GetChallengeRequest{Id: unknown})
	told := status.Convert(err)
	found := found{"code": code.Code(told.Code()).String(), "message": told.Message()}
	for _, detail := range told.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found["error"] = detail.Domain + " " + detail.Reason
		case *errdetails.ResourceInfo:
			found["resource"] = detail.ResourceType + " " + detail.ResourceName
		}
	}
	return found, nil
}

// A tip, as its events say that it is.
func streams(ctx context.Context, catalog catalogv1.ChallengesCatalogClient) (found, error) {
	events, err := catalog.StreamTips(ctx, &catalogv1.StreamTipsRequest{ChallengeId: known})
	if err != nil {
		return nil, err
	}
	text, pieces, done := "", 0, &catalogv1.TipDone{}
	for {
		event, err := events.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch {
		case event.GetReset_() != nil:
			text = ""
		case event.GetDelta() != nil:
			text += event.GetDelta().Text
			pieces++
		case event.GetDone() != nil:
			done = event.GetDone()
		}
	}
	hash := sha256.Sum256([]byte(text))
	if !bytes.Equal(hash[:], done.Sha256) || uint64(len(text)) != done.Length {
		return nil, fmt.Errorf("done is of another text than %s", text)
	}
	return found{"text": text, "several": pieces > 1, "source": done.Source.String()}, nil
}

func run(address, step string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := grpc.DialContext(ctx, address, grpc.WithInsecure())
	if err != nil {
		return err
	}
	defer connection.Close()
	steps := map[string]func(context.Context, catalogv1.ChallengesCatalogClient) (found, error){
		"list": lists, "fail": fails, "stream": streams,
	}
	found, err := steps[step](ctx, catalogv1.NewChallengesCatalogClient(connection))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
