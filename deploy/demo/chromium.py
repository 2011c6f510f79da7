"""How Chromium is started by what looks at the running product: headless in a container, WebGL2 by SwiftShader, no calls home."""

FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
)
