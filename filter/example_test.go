package filter_test

import (
	"fmt"
	"time"

	"github.com/distribution/reference"

	"github.com/jettison-oci/jettison/filter"
	"github.com/jettison-oci/jettison/imagestore"
)

func Example() {
	args, err := filter.Parse("label=stage=build", "label!=keep", "until=24h")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2024, 7, 15, 12, 0, 0, 0, time.UTC)
	f, err := filter.New(args, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, age := range []time.Duration{time.Hour, 48 * time.Hour} {
		ok, key := f.Match(imagestore.Image{
			Created: now.Add(-age),
			Labels:  map[string]string{"stage": "build"},
		}, nil)
		fmt.Printf("%v: %v %s\n", age, ok, key)
	}
	// Output:
	// 1h0m0s: false until
	// 48h0m0s: true
}

func ExampleParseJSON() {
	args, err := filter.ParseJSON(`{"dangling":{"true":true},"label":["stage=build"]}`)
	fmt.Println(args.KeyValues(), err)

	_, err = filter.ParseJSON(`{"colour":{"red":true}}`)
	fmt.Println(err)
	// Output:
	// [dangling=true label=stage=build] <nil>
	// invalid filter 'colour'
}

func ExamplePattern() {
	p, err := filter.NewPattern("registry.example.com/*/app:1.*")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"registry.example.com/team/app:1.7", "registry.example.com/team/app:2.0"} {
		ref, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Match(ref))
	}
	// Output:
	// true
	// false
}
