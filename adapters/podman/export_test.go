package podman

// ReadShortNameFiles reads short names from these files.
func ReadShortNameFiles(config, aliases []string) (*ShortNames, error) {
	return nameFiles{config: config, aliases: aliases}.read()
}
