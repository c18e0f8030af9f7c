# The image is one static binary, built beforehand:
#
#	CGO_ENABLED=0 go build -trimpath -o dist/drm ./cmd/drm
#	docker build --tag drm .
#
# There is no shell in it, no user list and no certificates: drm brings the authorities for https:// and wss://
# along. To use your own, mount them over /etc/ssl/certs.
FROM scratch

COPY dist/drm /drm

# Any number does: drm writes no files. This one is what distroless images call nonroot.
USER 65532:65532

# Read by "drm run" and, so that it asks at the right place, by "drm healthcheck".
ENV DRM_LISTEN=:7376
EXPOSE 7376

# Alive, not ready: while etcd is away a node is not ready, and restarting it would not help.
HEALTHCHECK --interval=5s --timeout=4s --start-period=15s CMD ["/drm", "healthcheck"]

ENTRYPOINT ["/drm"]
CMD ["run"]
