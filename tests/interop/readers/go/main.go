// Looks artifacts up, and downloads them, with go-tuf as it is: requests on stdin, answers on stdout, one JSON a line.
// What they say stands in ../../clients.py.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

type request struct {
	URL      string   `json:"url"`
	Root     string   `json:"root"`
	Memory   string   `json:"memory"`
	Paths    []string `json:"paths"`
	Download bool     `json:"download"`
}

type answer struct {
	Found *string `json:"found"`
	Bytes string  `json:"bytes,omitempty"`
	Error string  `json:"error,omitempty"`
}

type reply struct {
	Answers []answer `json:"answers"`
	Error   string   `json:"error,omitempty"`
}

// trusted is the root that a client holds: the newest it has seen, else the one that it came with.
func trusted(asked request) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(asked.Memory, "metadata", "root.json"))
	if err == nil {
		return data, nil
	}
	return os.ReadFile(asked.Root)
}

func look(client *updater.Updater, path string, asked request) answer {
	info, err := client.GetTargetInfo(path)
	if err != nil {
		// go-tuf has no other way of saying that it found nothing.
		if err.Error() == fmt.Sprintf("target %s not found", path) {
			return answer{}
		}
		return answer{Error: err.Error()}
	}
	hash, known := info.Hashes["sha256"]
	for _, each := range info.Hashes {
		if !known {
			hash = each
		}
	}
	found := hex.EncodeToString(hash)
	if !asked.Download {
		return answer{Found: &found}
	}
	place, _, err := client.DownloadTarget(info, filepath.Join(asked.Memory, "content"), "")
	if err != nil {
		return answer{Error: err.Error()}
	}
	data, err := os.ReadFile(place)
	if err != nil {
		return answer{Error: err.Error()}
	}
	digest := sha256.Sum256(data)
	return answer{Found: &found, Bytes: hex.EncodeToString(digest[:])}
}

func session(asked request) (reply, error) {
	root, err := trusted(asked)
	if err != nil {
		return reply{}, err
	}
	settings, err := config.New(asked.URL, root)
	if err != nil {
		return reply{}, err
	}
	settings.LocalMetadataDir = filepath.Join(asked.Memory, "metadata")
	settings.LocalTargetsDir = filepath.Join(asked.Memory, "targets")
	client, err := updater.New(settings)
	if err != nil {
		return reply{}, err
	}
	if err := client.Refresh(); err != nil {
		return reply{}, err
	}
	answers := make([]answer, 0, len(asked.Paths))
	for _, path := range asked.Paths {
		answers = append(answers, look(client, path, asked))
	}
	return reply{Answers: answers}, nil
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			panic(err)
		}
		said, err := session(asked)
		if err != nil {
			said = reply{Error: err.Error()}
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
